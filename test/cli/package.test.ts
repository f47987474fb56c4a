// The package as npm publishes it: nothing that is needed at run time is left out.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../e2e/harness/built.ts';
import { Program } from './harness.ts';

test('the packed package runs tasks in a project that has nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'umbel-packed-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: root });
  const [tarball = ''] = readdirSync(folder);
  execFileSync('tar', ['-xzf', tarball], { cwd: folder });
  // npm would install the dependencies beside it.
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  cpSync(join(folder, 'package'), join(modules, 'umbel'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') && name !== 'umbel')
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  const umbel = join(modules, 'umbel/dist/cli/main.js');
  expect((await new Program([umbel, '--version'], folder).ended).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await new Program([umbel, 'call', 'shop.add', '--json'], folder).ended).code).toBe(0);
});
