// The API's documentation as a page: Swagger UI, all of it from here. Nothing is fetched from elsewhere.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Problem } from './problem.ts';
import type { RequestContext, Route } from './route.ts';

/** `GET /`: people are sent to the page. */
export const home: Route = {
  method: 'GET',
  path: '/',
  open: true,
  handle: (request, { settings }) => request.redirect(`${settings.basePath}/docs`, 302),
};

/** `GET /docs`. The page itself says nothing about the application; it asks for a key if one is needed. */
export const docsPage: Route = {
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

/** `GET /docs/{file}`: what the page needs. */
export const docsAsset: Route = {
  method: 'GET',
  path: '/docs/:file',
  open: true,
  async handle(request) {
    const file = request.req.param('file') ?? '';
    const type = assets.get(file);
    if (type === undefined) throw new Problem(404, `there is no page /docs/${file}`);
    return asset(request, file, type);
  },
};

/** Scripts and styles from this gateway only; requests to this gateway only; in no frame. */
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

const assets: ReadonlyMap<string, string> = new Map([
  ['swagger-ui-bundle.js', script],
  ['swagger-ui.css', style],
  ['favicon-32x32.png', 'image/png'],
  ['docs.js', script],
  ['docs.css', style],
]);

const contents = new Map<string, Promise<Uint8Array>>();

async function asset(request: RequestContext, file: string, type: string): Promise<Response> {
  const folder = ownAssets.has(file) ? ownFolder : swaggerFolder();
  let content = contents.get(file);
  if (content === undefined) {
    content = readFile(join(folder, file));
    contents.set(file, content);
    content.catch(() => contents.delete(file));
  }
  return request.body(new Uint8Array(await content), 200, { 'Content-Type': type, 'Cache-Control': 'max-age=3600' });
}
