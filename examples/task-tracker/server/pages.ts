// The pages (../web, bundled when the server starts) and the documentation of the API (Swagger UI). All is served from here, and the
// content policy lets nothing come from elsewhere.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { Hono } from 'hono';
import { etag } from 'hono/etag';
import { secureHeaders } from 'hono/secure-headers';

const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' } as const;

export async function createPages(): Promise<Hono> {
  const web = fileURLToPath(new URL('../web', import.meta.url));
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const { outputFiles } = await build({
    entryPoints: ['main.tsx', 'style.css'].map((name) => join(web, name)),
    outdir: web,
    bundle: true,
    minify: true,
    write: false,
    target: 'es2023',
  });
  await stop();
  const bundle = (name: string) => outputFiles.find(({ path }) => path === join(web, name))?.text ?? '';
  const from = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');

  const [none, self] = [["'none'"], ["'self'"]];
  const contentSecurityPolicy = {
    ...{ defaultSrc: none, baseUri: none, frameAncestors: none, formAction: self, connectSrc: self },
    ...{ scriptSrc: self, styleSrc: self, imgSrc: ["'self'", 'data:'] },
  };
  const pages = new Hono();
  pages.use(secureHeaders({ contentSecurityPolicy }));
  const serve = (path: string, type: keyof typeof types, body: string): void => {
    const headers = { 'content-type': `${types[type]}; charset=utf-8`, 'cache-control': 'no-cache' };
    pages.get(path, etag(), (context) => context.body(body, 200, headers));
  };
  serve('/', 'html', page('Task tracker', '/main'));
  serve('/main.js', 'js', bundle('main.js'));
  serve('/main.css', 'css', bundle('style.css'));
  serve('/icon.svg', 'svg', from(web, 'icon.svg'));
  serve('/docs', 'html', page('Task tracker: API', '/docs/swagger', '/docs/start.js'));
  serve('/docs/start.js', 'js', `SwaggerUIBundle({ url: '/openapi.json', domNode: document.body });`);
  serve('/docs/swagger.js', 'js', from(swagger, 'swagger-ui-bundle.js'));
  serve('/docs/swagger.css', 'css', from(swagger, 'swagger-ui.css'));
  return pages;
}

function page(title: string, main: string, ...more: readonly string[]): string {
  const scripts = [`${main}.js`, ...more].map((script) => `<script src="${script}" defer></script>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="${main}.css">
${scripts.join('\n')}
<body></body>
</html>
`;
}
