// The API's documentation as a page: Swagger UI from this server alone. Nothing is fetched from elsewhere.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../errors.ts';
import { Problem } from '../http/problem.ts';
import { builtFile } from '../lib/built-file.ts';
import type { HttpRoute } from './route.ts';

/** `GET /`: redirects to the page. */
export const home: HttpRoute = {
  method: 'GET',
  path: '/',
  open: true,
  handle: (request, { settings }) => request.redirect(`${settings.basePath}/docs`, 302),
};

/** `GET /docs`. The page itself reveals nothing about the application; it asks for a key if one is needed. */
export const docsPage: HttpRoute = {
  method: 'GET',
  path: '/docs',
  open: true,
  handle: (request, { settings }) =>
    request.body(page(settings.basePath), 200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Security-Policy': policy,
      'Cache-Control': 'no-cache',
    }),
};

/** `GET /docs/{file}`: the files of the page. */
export const docsAsset: HttpRoute = {
  method: 'GET',
  path: '/docs/:file',
  open: true,
  async handle(request) {
    const file = request.req.param('file') ?? '';
    const asset = assets.get(file);
    if (asset === undefined) throw new Problem(404, `there is no page /docs/${file}`);
    const { bytes, etag } = await contentOf(shipped(`${asset.folder}/${file}`));
    // Revalidated each time: after an upgrade an old file must not meet a new one.
    const headers = { 'Content-Type': asset.type, ETag: etag, 'Cache-Control': 'no-cache' };
    return request.req.header('if-none-match') === etag
      ? request.body(null, 304, headers)
      : request.body(bytes, 200, headers);
  },
};

/** Scripts and styles from this gateway only, requests to this gateway only, and no frames. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const script = 'text/javascript; charset=utf-8';
const style = 'text/css; charset=utf-8';

/** The files that are served; there are no others. */
const assets: ReadonlyMap<string, { readonly type: string; readonly folder: string }> = new Map([
  ['page.js', { type: script, folder: 'docs-page' }],
  ['page.css', { type: style, folder: 'docs-page' }],
  ['swagger-ui-bundle.js', { type: script, folder: 'swagger-ui' }],
  ['swagger-ui.css', { type: style, folder: 'swagger-ui' }],
  ['favicon-32x32.png', { type: 'image/png', folder: 'swagger-ui' }],
]);

interface Content {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/** The files' contents, each read once. */
const contents = new Map<string, Promise<Content>>();

function contentOf(path: string): Promise<Content> {
  const kept = contents.get(path);
  if (kept !== undefined) return kept;
  const content = readContent(path);
  contents.set(path, content);
  content.catch(() => contents.delete(path));
  return content;
}

async function readContent(path: string): Promise<Content> {
  const bytes = new Uint8Array(await readFile(path));
  return { bytes, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}

/** The path of a file that the build put into the package. @throws ConfigError */
function shipped(path: string): string {
  const url = builtFile(`gateway/${path}`);
  if (url !== null && existsSync(url)) return fileURLToPath(url);
  throw new ConfigError(
    "the page of the API needs files of umbel's own, and a bundle has none: leave umbel out of the bundle (esbuild: --external:umbel, or --packages=external)",
  );
}

function page(base: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="icon" href="${base}/docs/favicon-32x32.png">
<link rel="stylesheet" href="${base}/docs/swagger-ui.css">
<link rel="stylesheet" href="${base}/docs/page.css">
</head>
<body data-base="${base}">
<form class="key" hidden><label for="key">API key</label><input id="key" name="key" type="password" autocomplete="off"><button>Show</button></form>
<p class="note" role="status"></p>
<div id="swagger-ui"></div>
<script src="${base}/docs/swagger-ui-bundle.js" defer></script>
<script src="${base}/docs/page.js" defer></script>
</body>
</html>
`;
}
