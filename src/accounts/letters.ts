/** What mails about an account look like, and the ones that tell of a change, so that a change by somebody else does not go unnoticed. */
import { type Config, publicUrlOf } from '../config.ts';
import type { UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import type { Letter } from './mail.ts';

export type Addressee = { username: string; email: string | null };
type Paragraph = string | { link: string; label: string } | { code: string };

export function createNotices({ db, config }: { db: Database; config: Pick<Config, 'PUBLIC_URL' | 'HOST' | 'PORT'> }) {
  const place = new URL(publicUrlOf(config)).host;
  return { writePasswordChanged, writeEmailChanged };

  /** To whose password was changed. Null when the account is gone or has no e-mail. */
  async function writePasswordChanged(userId: UserId): Promise<Letter | null> {
    const person = await findAddressee(userId);
    if (!person) return null;
    return letter(person, {
      subject: `Your password for ${place} was changed`,
      paragraphs: [
        `The password of your account at ${place} was changed a moment ago. If you did that, all is well.`,
        'If it was not you, somebody may have got into your account or your mails: set a new password at once with “forgotten password”, and look after this mailbox, too.',
      ],
    });
  }

  /** To the address that an account had until now. It says nothing of the new one. Null when the account is gone. */
  async function writeEmailChanged(userId: UserId, address: string | null): Promise<Letter | null> {
    const person = await findAddressee(userId);
    if (!person) return null;
    return letter(
      { username: person.username, email: address },
      {
        subject: `Your e-mail address at ${place} was changed`,
        paragraphs: [
          `This was the e-mail address of your account at ${place}. A moment ago it was removed or replaced by another one, and mails about the account no longer come here. If you did that, all is well.`,
          'If it was not you, somebody knows your password: sign in with your username, set another password, which ends all other sessions, and then your address again. If you cannot sign in any more, tell whoever runs the server.',
        ],
      },
    );
  }

  async function findAddressee(userId: UserId): Promise<Addressee | null> {
    const [person] = await db.sql.all<Addressee>('SELECT "username", "email" FROM "User" WHERE "id" = ? AND "deletedAt" IS NULL', [userId]);
    return person ?? null;
  }
}

/** The same words as text and as HTML. Of the account only its username is in it: a display name could be anybody's advertisement. */
export function letter({ username, email }: Addressee, { subject, paragraphs }: { subject: string; paragraphs: Paragraph[] }): Letter | null {
  if (email === null) return null;
  const all: Paragraph[] = [`Hello ${username},`, ...paragraphs];
  const text = all.map((part) => (typeof part === 'string' ? wrapped(part) : 'link' in part ? part.link : part.code));
  const html = all.map((part) => {
    if (typeof part === 'string') return `<p>${escaped(part)}</p>`;
    if ('code' in part) return `<p style="font-family: monospace; font-size: 1.1em; overflow-wrap: anywhere">${escaped(part.code)}</p>`;
    return `<p><a href="${escaped(part.link)}">${escaped(part.label)}</a></p>\n<p style="overflow-wrap: anywhere">${escaped(part.link)}</p>`;
  });
  return {
    to: email,
    subject,
    text: `${text.join('\n\n')}\n`,
    html: `<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>${escaped(subject)}</title></head>\n<body style="font-family: sans-serif; line-height: 1.5; max-width: 40em">\n${html.join('\n')}\n</body>\n</html>\n`,
  };
}

/** In lines of at most 72 characters, as long as its words allow that. */
const wrapped = (text: string): string => text.replaceAll(/(.{1,72})(?: +|$)/g, '$1\n').trimEnd();
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
