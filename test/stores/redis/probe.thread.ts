// The program of a side thread: asks the script until there is an answer, and says it.
import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorReply } from '../../../src/stores/redis/client/resp.ts';
import { SideClient } from '../../../src/stores/redis/client/side-client.ts';

export interface ProbeTells {
  readonly said: unknown;
}

const side = new SideClient<null, string, ProbeTells>({
  onMessage: (message) => void ask(message),
});

async function ask(message: string): Promise<void> {
  for (;;) {
    try {
      return side.post({ said: await side.run(message) });
    } catch (error) {
      if (error instanceof ErrorReply) return side.post({ said: error.message });
      await sleep(50);
    }
  }
}
