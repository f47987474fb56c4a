// A mail server that delivers to nobody: what it accepts can be read at http://…:8025. For development and tests.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { html } from 'hono/html';
import PostalMime from 'postal-mime';
import { SMTPServer } from 'smtp-server';

export interface Caught {
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly at: string;
  /** How often it came: mailboxes show mails of one Message-ID once. */
  copies: number;
}

export interface Catcher {
  readonly mails: ReadonlyMap<string, Caught>;
  readonly smtpPort: number;
  readonly pagesPort: number;
  stop(): Promise<void>;
}

/** Ports: 0 for any. */
export async function startCatcher(ports: {
  readonly smtp: number;
  readonly pages: number;
  readonly host?: string;
}): Promise<Catcher> {
  const { host = '127.0.0.1' } = ports;
  const mails = new Map<string, Caught>();
  const smtp = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        PostalMime.parse(Buffer.concat(chunks)).then(
          ({ messageId = '', to = [], subject = '', text = '' }) => {
            const known = mails.get(messageId);
            const at = new Date().toISOString();
            if (known !== undefined) known.copies++;
            else
              mails.set(messageId, {
                id: messageId,
                to: to.map(({ address }) => address).join(', '),
                subject,
                text,
                at,
                copies: 1,
              });
            done();
          },
          done,
        );
      });
    },
  });

  const pages = new Hono()
    .get('/mails.json', (context) => context.json([...mails.values()]))
    .get('/', (context) =>
      context.html(html`<!doctype html>
      <html lang="en">
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="refresh" content="5" />
        <title>Mails</title>
        <style>
          :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
          body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
          article { border: 1px solid #8884; border-radius: 10px; padding: 0.25rem 1rem; margin: 1rem 0; }
          small { opacity: 0.7; }
          pre { white-space: pre-wrap; font: inherit; }
        </style>
        <h1>Mails caught: ${mails.size}</h1>
        ${[...mails.values()]
          .reverse()
          .map(
            ({ to, subject, text, at }) =>
              html`<article><h3>${subject}</h3><small>to ${to}, ${at.slice(0, 19).replace('T', ' ')} UTC</small><pre>${text}</pre></article>`,
          )}
      </html>`),
    );

  smtp.on('error', (error) => console.error(`smtp: ${error.message}`));
  const smtpServer = smtp.listen(ports.smtp, host);
  await once(smtpServer, 'listening');
  const pagesServer = serve({ fetch: pages.fetch, port: ports.pages, hostname: host });
  if (!pagesServer.listening) await once(pagesServer, 'listening');
  return {
    mails,
    smtpPort: portOf(smtpServer),
    pagesPort: portOf(pagesServer),
    async stop() {
      await Promise.all([
        new Promise<void>((done) => smtp.close(done)),
        new Promise((done) => pagesServer.close(done)),
      ]);
    },
  };
}

function portOf(server: { address(): unknown }): number {
  const address = server.address();
  return typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { CATCHER_HOST: host = '127.0.0.1', SMTP_PORT = '1025', MAIL_PORT = '8025' } = process.env;
  const catcher = await startCatcher({ smtp: Number(SMTP_PORT), pages: Number(MAIL_PORT), host });
  process.send?.({ smtp: catcher.smtpPort, pages: catcher.pagesPort });
  const stop = async (): Promise<void> => {
    await catcher.stop();
    if (process.connected) process.disconnect();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.once(signal, () => void stop());
}
