// The thread of a relay. It passes bytes on, and sends a heartbeat frame when no frame was sent for a while; only
// between two frames.
import { chmodSync } from 'node:fs';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { parentPort } from 'node:worker_threads';
import { FrameReader } from './frames.ts';
import type { RelayAnswer, RelayOpen, ToRelay } from './relay.ts';

const heartbeat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);

/** Ends the current connection. */
let end: (error?: NodeJS.ErrnoException) => void = () => undefined;
let beat: (everyMs: number) => void = () => undefined;
let timer: NodeJS.Timeout | undefined;

parentPort?.on('message', (message: ToRelay) => {
  if ('open' in message) open(message.open);
  else if (message.beatMs > 0) beat(message.beatMs);
});

function open({ id, path, host, port, secure, options, timeoutMs }: RelayOpen): void {
  end();
  let server: Server | undefined;
  let local: Socket | undefined;
  let reported = false;
  const { checkHostname, ...rest } = options;
  const unnamed = checkHostname === false ? { checkServerIdentity: () => undefined } : {};
  const named = isIP(host) ? {} : { servername: host };
  const remote = secure
    ? connectSecurely({ ...named, ...rest, ...unnamed, host, port })
    : connect({ host, port });
  const report = (answer: RelayAnswer): void => {
    if (!reported) parentPort?.postMessage(answer);
    reported = true;
  };
  const mine = (error?: NodeJS.ErrnoException): void => {
    clearTimeout(late);
    if (end === mine) {
      clearInterval(timer);
      end = () => undefined;
      beat = () => undefined;
    }
    remote.destroy();
    server?.close();
    local?.destroy();
    report({ id, error: { message: error?.message || 'closed', code: error?.code } });
  };
  end = mine;
  const late = setTimeout(() => mine(new Error('connect ETIMEDOUT')), timeoutMs);
  remote.setNoDelay(true);
  remote.setKeepAlive(true);
  remote.on('error', mine);
  remote.on('close', () => {
    if (local === undefined) mine();
    else local.end();
  });
  remote.once(secure ? 'secureConnect' : 'connect', () => {
    clearTimeout(late);
    server = createServer((socket) => {
      server?.close();
      server = undefined;
      local = socket;
      pass(socket, remote, mine);
    });
    server.on('error', mine);
    server.listen(path, () => {
      if (process.platform !== 'win32') chmodSync(path, 0o600);
      report({ id });
    });
  });
}

function pass(local: Socket, remote: Socket, over: () => void): void {
  const frames = new FrameReader();
  let quiet = true;
  local.on('error', () => over());
  local.on('close', () => over());
  local.on('end', () => remote.end());
  local.on('data', (chunk) => {
    quiet = false;
    frames.push(chunk);
    if (remote.write(chunk)) return;
    local.pause();
    remote.once('drain', () => local.resume());
  });
  remote.pipe(local);
  beat = (everyMs) => {
    clearInterval(timer);
    timer = setInterval(() => {
      if (quiet && frames.isBetween && remote.writable) remote.write(heartbeat);
      quiet = true;
    }, everyMs);
  };
}
