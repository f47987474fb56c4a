// Mail, by SMTP.
import { createTransport } from 'nodemailer';
import { settings } from './settings.ts';

interface Mail {
  /** Makes its Message-ID: what is sent again by the same one is known to mailboxes as the same mail. */
  readonly id: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const transport = createTransport(settings.smtpUrl, { from: settings.mailFrom });

/** Resolves when the server has accepted it. */
export async function send({ id, ...mail }: Mail): Promise<void> {
  await transport.sendMail({ ...mail, messageId: `<${id}@task-tracker>` });
}
