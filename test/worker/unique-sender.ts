// A sender of a unique task, to be killed. In the embedded store it kills itself where it is told to.
import { App } from '../../src/app/app.ts';
import type { UniquePolicy } from '../../src/config/unique-options.ts';

const [broker = '', policy = '', point = ''] = process.argv.slice(2);
const app = new App('unique', { broker, backend: broker });
const die = (): never => {
  process.kill(process.pid, 'SIGKILL');
  for (;;); // until it comes
};
// One of the policies: the test gave it.
const report = app.task('report', { unique: { key: 0, policy: policy as UniquePolicy } }, (_: string) => '');

// Whatever is done once only is done.
await report.delay('another');
const transport = await app.broker();
if (point === 'in the transaction') {
  const open = transport.openLocks?.bind(transport);
  transport.openLocks = async () => {
    const locks = await open?.();
    if (locks === undefined) throw new Error('no locks');
    const taking = locks.taking.bind(locks);
    locks.taking = (lock, inner) => {
      const write = taking(lock, inner);
      const apply = (transaction: never): boolean => {
        write.apply(transaction);
        return die();
      };
      return { ...write, apply };
    };
    return locks;
  };
}
process.once('message', () => {
  void report.applyAsync(['a'], { taskId: 'by-child' }).then(
    () => (point === 'when it is sent' ? die() : process.send?.('sent')),
    (error: unknown) => process.send?.(String(error)),
  );
});
process.send?.('ready');
