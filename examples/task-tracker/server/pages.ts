// The documentation of the API as a page, with forms to try it (Swagger UI, served from here: nothing comes from elsewhere).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

export function createPages(): Hono {
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const pages = new Hono();
  pages.use(
    '*',
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
        frameAncestors: ["'none'"],
      },
    }),
  );
  const serve = (path: string, type: string, body: string): void => {
    pages.get(path, (context) => context.body(body, 200, { 'content-type': `${type}; charset=utf-8` }));
  };
  const file = (name: string): string => readFileSync(join(swagger, name), 'utf8');
  pages.get('/', (context) => context.redirect('/docs'));
  serve('/docs', 'text/html', docs);
  serve('/docs/start.js', 'text/javascript', `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs' });`);
  serve('/docs/swagger.js', 'text/javascript', file('swagger-ui-bundle.js'));
  serve('/docs/swagger.css', 'text/css', file('swagger-ui.css'));
  return pages;
}

const docs = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Task tracker: API</title>
<link rel="stylesheet" href="/docs/swagger.css">
<div id="docs"></div>
<script src="/docs/swagger.js"></script>
<script src="/docs/start.js"></script>
</html>
`;
