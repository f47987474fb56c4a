// examples/comparison: `npm run report` on a real RabbitMQ. Its page, and what it does without RabbitMQ: `npm run test:long -- apps`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { needs } from '../needs.ts';
import { noRabbit, RabbitServerProcess } from '../servers/rabbitmq.ts';

interface Report {
  readonly rows: readonly {
    readonly question: string;
    readonly figures: Readonly<Record<string, unknown>>;
  }[];
}

needs(test, noRabbit)(
  'every figure of its table is measured, in all three ways',
  { timeout: 600_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'umbel-comparison-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const server = await RabbitServerProcess.shared();
    const quick = { JOB_SECONDS: '0.1', RETRY_DELAY: '0.1', SCALE: '2' };
    const env = { ...process.env, ...quick, DATA: folder, RMQ_URL: server.url(server.vhost()) };
    const report = spawn(process.execPath, [join(root, 'examples/comparison/start.mjs'), '--report'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [report.stdout, report.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    const [code] = await once(report, 'exit');
    expect(code, said).toBe(0);

    const { rows } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as Report; // as its server writes it
    for (const { question, figures } of rows) {
      expect(Object.keys(figures), question).toEqual(['task', 'message', 'call']);
      for (const figure of Object.values(figures))
        expect(figure, `${question}\n${said}`).toEqual(expect.any(Number));
    }
    const asked = (question: RegExp) => rows.find((row) => question.test(row.question))?.figures;
    expect(asked(/fails twice: attempts/)).toEqual({ task: 3, message: 1, call: 1 });
    expect(asked(/they wait/)).toEqual({ task: 5, message: 5, call: 0 });
    expect(asked(/a purge deletes/)).toEqual({ task: 5, message: 5, call: 0 });
    expect(asked(/killed .* done/)).toMatchObject({ task: 3, message: 3 });
    expect(readFileSync(join(folder, 'report.md'), 'utf8').split('\n| ')).toHaveLength(rows.length + 2);
  },
);
