// Mail, by SMTP.
import { createTransport, type SendMailOptions } from 'nodemailer';
import { settings } from './settings.ts';

const transport = createTransport(settings.SMTP_URL, { from: settings.MAIL_FROM });

/** Resolves when the server has accepted it. What is sent again with the same id is known to mailboxes as the same mail. */
export async function send(
  id: string,
  mail: Pick<SendMailOptions, 'to' | 'subject' | 'text'>,
): Promise<void> {
  await transport.sendMail({ ...mail, messageId: `<${id}@task-tracker>` });
}
