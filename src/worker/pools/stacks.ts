// The stack of a running thread: its inspector answers also in the midst of a loop. No port is opened.
import { Session } from 'node:inspector';

/** How long it waits for answers, milliseconds: a thread whose code does not run now (it waits for something) does not answer. */
const waitMs = 500;

interface Frame {
  readonly functionName: string;
  readonly location: {
    readonly scriptId: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

/** The messages of a thread's inspector that are used here. */
type InspectorMessage =
  | {
      readonly method: 'Debugger.scriptParsed';
      readonly params: { readonly scriptId: string; readonly url: string };
    }
  | { readonly method: 'Debugger.paused'; readonly params: { readonly callFrames: readonly Frame[] } }
  | { readonly method?: undefined };

/** The stacks of those of these threads that compute now, by the thread's number. */
export async function stacksOf(threads: ReadonlySet<number>): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  if (threads.size === 0) return found;
  const session = new Session();
  session.connect();
  const threadOf = new Map<string, number>();
  const files = new Map<string, string>();
  const send = (sessionId: string, id: number, method: string): void =>
    session.post('NodeWorker.sendMessageToWorker', {
      sessionId,
      message: JSON.stringify({ id, method }),
    });
  try {
    await new Promise<void>((resolve) => {
      session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
        const thread = Number(/\d+/.exec(workerInfo.title)?.[0]); // '[worker 3]'
        if (!threads.has(thread)) return;
        threadOf.set(sessionId, thread);
        send(sessionId, 1, 'Debugger.enable');
        send(sessionId, 2, 'Debugger.pause');
      });
      session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
        const thread = threadOf.get(sessionId);
        const received: InspectorMessage = JSON.parse(message); // the inspector's
        if (received.method === 'Debugger.scriptParsed')
          files.set(`${sessionId} ${received.params.scriptId}`, received.params.url);
        if (thread === undefined || received.method !== 'Debugger.paused') return;
        const lines = received.params.callFrames.map((frame) =>
          lineOf(frame, files.get(`${sessionId} ${frame.location.scriptId}`) ?? ''),
        );
        found.set(thread, lines.join('\n'));
        send(sessionId, 3, 'Debugger.disable'); // it goes on
        if (found.size === threads.size) resolve();
      });
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
      setTimeout(resolve, waitMs).unref();
    });
    for (const sessionId of threadOf.keys()) send(sessionId, 4, 'Debugger.disable');
  } finally {
    session.disconnect();
  }
  return found;
}

function lineOf({ functionName, location: { lineNumber, columnNumber } }: Frame, file: string): string {
  return `    at ${functionName || '<anonymous>'} (${file}:${lineNumber + 1}:${columnNumber + 1})`;
}
