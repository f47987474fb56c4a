// What the compiler does not do: the files of the gateway's docs page, ours and those of Swagger UI. They are
// shipped, so that the page needs no network and the package no dependency.
import { chmodSync, copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

copy(join(root, 'node_modules', 'swagger-ui-dist'), join(root, 'dist', 'gateway', 'swagger-ui'), [
  'swagger-ui-bundle.js',
  'swagger-ui.css',
  'favicon-32x32.png',
  // Its licence asks for these to be passed on with it.
  'LICENSE',
  'NOTICE',
  'swagger-ui-bundle.js.LICENSE.txt',
]);
copy(join(root, 'src', 'gateway', 'docs-page'), join(root, 'dist', 'gateway', 'docs-page'), [
  'page.js',
  'page.css',
]);

// As npm makes it where it installs the package: a command that the system can start.
chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);

function copy(from, to, files) {
  mkdirSync(to, { recursive: true });
  for (const file of files) {
    if (!isCopied(join(from, file), join(to, file))) copyFileSync(join(from, file), join(to, file));
  }
}

function isCopied(source, target) {
  if (!existsSync(target)) return false;
  const [old, now] = [statSync(target), statSync(source)];
  return old.size === now.size && old.mtimeMs >= now.mtimeMs;
}
