// The page (../web, bundled when the server starts). The content policy lets nothing come from elsewhere.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, stop } from 'esbuild';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Three ways to do a job</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/main.css">
<script src="/main.js" defer></script>
<body></body>
</html>
`;

export async function createPages(): Promise<Hono> {
  const web = fileURLToPath(new URL('../web', import.meta.url));
  const { outputFiles } = await build({
    entryPoints: ['main.tsx', 'style.css'].map((name) => join(web, name)),
    outdir: web,
    bundle: true,
    minify: true,
    write: false,
    target: 'es2023',
    jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  await stop();
  const bundle = (name: string): string =>
    outputFiles.find(({ path }) => path === join(web, name))?.text ?? '';

  const self = ["'self'"];
  const none = ["'none'"];
  const contentSecurityPolicy = {
    ...{ defaultSrc: none, baseUri: none, frameAncestors: none, formAction: none },
    ...{ scriptSrc: self, styleSrc: self, connectSrc: self, imgSrc: ['data:'] },
  };
  const pages = new Hono();
  pages.use(secureHeaders({ contentSecurityPolicy }));
  const serve = (path: string, type: string, body: string) =>
    pages.get(path, (context) => context.body(body, 200, { 'content-type': `text/${type}; charset=utf-8` }));
  serve('/', 'html', html);
  serve('/main.js', 'javascript', bundle('main.js'));
  serve('/main.css', 'css', bundle('style.css'));
  return pages;
}
