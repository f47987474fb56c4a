// Copies what the compiler does not make: the files of Swagger UI, for the gateway's docs page. They are shipped, so that
// the page needs no network and the package no dependency.
import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(root, 'node_modules', 'swagger-ui-dist');
const to = join(root, 'dist', 'gateway', 'swagger-ui');

// What the page loads, and what the licence asks to be passed on with it.
const files = [
  'swagger-ui-bundle.js',
  'swagger-ui.css',
  'favicon-32x32.png',
  'LICENSE',
  'NOTICE',
  'swagger-ui-bundle.js.LICENSE.txt',
];

mkdirSync(to, { recursive: true });
for (const file of files) {
  if (!isCopied(join(from, file), join(to, file))) copyFileSync(join(from, file), join(to, file));
}

function isCopied(source, target) {
  if (!existsSync(target)) return false;
  const [old, now] = [statSync(target), statSync(source)];
  return old.size === now.size && old.mtimeMs >= now.mtimeMs;
}
