// The guide's commands are run against the guide's application, and print what it says.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/app/app.ts';
import { routes } from '../../src/gateway/routes.ts';
import { needs } from '../needs.ts';
import { startServer, startWorker } from './bench.ts';

const root = resolve(import.meta.dirname, '../..');
const guide = readFileSync(join(root, 'docs/guide/gateway.md'), 'utf8');

function blocks(language: string): string[] {
  return [...guide.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, code]) => code ?? '',
  );
}

/** Imports a block of the guide as a file in a folder of its own. */
async function load(code: string): Promise<{ readonly app: App }> {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-guide-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'app.ts');
  writeFileSync(
    file,
    code
      .replace("'umbel'", `'${join(root, 'src/index.ts')}'`)
      .replace("'zod'", `'${join(root, 'node_modules/zod/index.js')}'`)
      .replace("new App('shop')", `new App('shop', { broker: 'sqlite://${join(folder, 'store.db')}' })`),
  );
  return import(file);
}

/** A promised output: `…` stands for anything. */
function pattern(promise: string): RegExp {
  const parts = promise.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`);
}

interface Step {
  readonly command: string;
  readonly promise: string;
}

function steps(script: string): Step[] {
  return [...script.matchAll(/((?:(?!# → ).*\n)+)((?:# → .*(?:\n|$))+)/g)].map(
    ([, command = '', promise = '']) => ({
      command: command.trim(),
      promise: promise.replaceAll(/^# → /gm, '').trim(),
    }),
  );
}

needs(it, spawnSync('curl', ['--version']).error && 'no curl (apt-get install curl)')(
  'the commands of the guide print what it says',
  async () => {
    const [code = ''] = blocks('ts');
    const { app } = await load(code);
    onTestFinished(() => app.close());
    await startWorker(app);
    const { url } = await startServer(app);
    const script = steps(blocks('sh').join(''));
    expect(script.length).toBeGreaterThan(7);
    const program = script.map(({ command }) => `${command}\nprintf '\\036'`).join('\n');
    // Not spawnSync: the server is in this process.
    const shell = spawn('bash', [
      '--norc', // else it runs ~/.bashrc: its input is a socket, as that of a shell that sshd starts
      '-c',
      program.replaceAll('http://127.0.0.1:8000', url).replaceAll(/^(\w*=?.*?)curl /gm, '$1curl -s '),
    ]);
    let output = '';
    shell.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    await new Promise((resolve) => shell.once('close', resolve));
    const outputs = output.split('\u001e').map((text) => text.trim());
    for (const [index, { command, promise }] of script.entries())
      expect(outputs[index], command).toMatch(pattern(promise));
  },
);

it('the guide names every route and option', () => {
  for (const { path } of routes) {
    if (path !== '/docs/:file') expect(guide.includes(path.replace(':id', '{id}')), path).toBe(true);
  }
  const options = readFileSync(join(root, 'src/gateway/options.ts'), 'utf8');
  for (const [, option = ''] of options.matchAll(/^ {2}readonly (\w+)\?:/gm)) {
    expect(guide.includes(`\`${option}\``), option).toBe(true);
  }
});
