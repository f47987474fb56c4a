// The files of the pages, which the build puts into dist/dashboard/web/.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Problem } from '../../http/problem.ts';
import { builtFile } from '../../lib/built-file.ts';
import type { DashboardRequest } from './context.ts';

/** Scripts, styles, pictures and requests from this dashboard only, no inline code, and no frames. */
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

/** In `index.html` this stands for the path under which the dashboard is mounted: `<script src="%BASE%/assets/main-1a2b3c4d.js">`. */
const baseMark = '%BASE%';

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

/** The page: the same for every path, since its script shows what the path names. */
export async function servePage(request: DashboardRequest, base: string): Promise<Response> {
  const html = (await read('index.html'))?.toString('utf8').replaceAll(baseMark, () => base) ?? withoutPages;
  const etag = `"${createHash('sha256').update(html).digest('base64url')}"`;
  // Revalidated each time: after an upgrade an old page would ask for files that are gone.
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

/** `GET /assets/<file>`: a file whose name has the hash of its content never changes. */
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

/** Null: it is not there. */
async function read(path: string): Promise<Buffer | null> {
  const url = builtFile(`dashboard/web/${path}`);
  if (url === null) return null;
  try {
    return await readFile(url);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null; // an error of readFile is of this kind
    throw error;
  }
}

const withoutPages = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Umbel</title></head>
<body><p>The pages are not here: a bundle has none of umbel's own files. Leave umbel out of the bundle (esbuild: --external:umbel). The API works.</p></body>
</html>
`;
