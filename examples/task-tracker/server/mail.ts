// Mail, by SMTP.
import { createTransport } from 'nodemailer';
import { settings } from './settings.ts';

export interface Mail {
  /** Makes its Message-ID: what is sent again by the same one is known to mailboxes as the same mail. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Resolves when the server has accepted it. */
  send(mail: Mail): Promise<void>;
}

export function smtpMailer(): Mailer {
  const transport = createTransport(settings.smtpUrl, { from: settings.mailFrom });
  return {
    async send({ id, ...mail }) {
      await transport.sendMail({ ...mail, messageId: `<${id}@task-tracker>` });
    },
  };
}
