// Serves the files of the pages. The build writes them to dist/dashboard/web/.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Problem } from '../../http/problem.ts';
import { builtFile } from '../../lib/built-file.ts';
import type { DashboardRequest } from './context.ts';

/** Allows only scripts, styles, images and requests of this dashboard; no inline code and no frames. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Placeholder in `index.html` for the `urlPrefix`: `<script src="%BASE%/assets/main-1a2b3c4d.js">`. */
const basePlaceholder = '%BASE%';

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

/** All paths get the same page. Its script reads the path and shows the matching view. */
export async function servePage(request: DashboardRequest, base: string): Promise<Response> {
  const html =
    (await read('index.html'))?.toString('utf8').replaceAll(basePlaceholder, () => base) ?? withoutPages;
  // Weak: it is the same page compressed and not (RFC 9110, 8.8.1).
  const etag = `W/"${createHash('sha256').update(html).digest('base64url')}"`;
  // The browser must revalidate: after an upgrade, an old page would request files that no longer exist.
  const headers = {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy,
    'Cache-Control': 'no-cache',
    ETag: etag,
  };
  return request.req.header('if-none-match') === etag
    ? request.body(null, 304, headers)
    : request.body(html, 200, headers);
}

/** `GET /assets/<file>`. A file with a hash of its content in its name never changes, so it may be cached for ever. */
export async function serveAsset(request: DashboardRequest): Promise<Response> {
  const name = request.req.param('file') ?? '';
  const type = types[extname(name)];
  const bytes = /^[\w-][\w.-]*$/.test(name) && type !== undefined ? await read(`assets/${name}`) : null;
  if (bytes === null || type === undefined) throw new Problem(404, `there is no file /assets/${name}`);
  const isHashed = /[-.][0-9A-Za-z_-]{8,}\.\w+$/.test(name);
  return request.body(new Uint8Array(bytes), 200, {
    'Content-Type': type,
    'Cache-Control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
}

/** Null: there is no such file. */
async function read(path: string): Promise<Buffer | null> {
  const url = builtFile(`dashboard/web/${path}`);
  if (url === null) return null;
  try {
    return await readFile(url);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null; // readFile throws this type
    throw error;
  }
}

const withoutPages = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Umbel</title></head>
<body><p>The files of the pages are missing, because a bundle does not contain umbel's own files. Exclude umbel from the bundle (esbuild: --external:umbel). The API works.</p></body>
</html>
`;
