// Ten thousand schedules in one beat: what they cost, and how late their runs are. Prints one line of JSON.
import { App } from '../../../src/app/app.ts';
import { Beat } from '../../../src/beat/beat.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { crontab } from '../../../src/schedules/crontab.ts';
import { every } from '../../../src/schedules/every.ts';

const { BROKER = '', COUNT = '10000', SECONDS = '60', TOGETHER = '' } = process.env;
const seconds = Number(SECONDS);
const memoryMb = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1e6;
};
const app = new App('many', { broker: BROKER, taskIgnoreResult: true });
await app.broker();
const emptyMb = memoryMb();
for (let n = 0; n < Number(COUNT); n++) {
  // A hundred each second; or all of them at each full minute.
  const when = TOGETHER === '' ? every(`${60_000 + 10 * n}ms`) : crontab('* * * * *');
  app.schedule(`schedule ${n}`, when, 'noop', { args: [n] });
}
const lateness: number[] = [];
let led: () => void = () => {};
const leading = new Promise<void>((resolve) => {
  led = resolve;
});
const logger = {
  ...silentLogger,
  info: (fields: object, message: string): void => {
    if (message === 'leading') led();
    if ('due' in fields) lateness.push(Date.now() - Date.parse(String(fields.due)));
  },
};
const start = performance.now();
const beat = new Beat(app, { logger });
await beat.start();
const putMs = performance.now() - start;
await leading;
const leadingMs = performance.now() - start;
await new Promise((resolve) => setTimeout(resolve, 3000));
const fullMb = memoryMb();
const cpuBefore = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, 10_000));
const rest = process.cpuUsage(cpuBefore);
const restPercent = ((rest.user + rest.system) / 10_000_000) * 100;
const sentAtRest = lateness.length;
await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
lateness.sort((a, b) => a - b);
const at = (part: number): number =>
  lateness[Math.min(lateness.length - 1, Math.floor(lateness.length * part))] ?? 0;
await beat.stop();
await app.close();
console.log(
  JSON.stringify({
    putMs: Math.round(putMs),
    leadingMs: Math.round(leadingMs),
    growthMb: Math.round(fullMb - emptyMb),
    restPercent: Number(restPercent.toFixed(2)),
    sentAtRest,
    runs: lateness.length,
    p50: at(0.5),
    p99: at(0.99),
    most: at(1),
  }),
);
