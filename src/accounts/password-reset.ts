/**
 * A forgotten password: a one-time code by mail, and a new password for it (after OWASP's Forgot Password Cheat Sheet). Neither an answer nor its
 * timing tells whether somebody has an account, and the code itself is nowhere but in the mail.
 */
import { createHash, randomBytes } from 'node:crypto';
import { type Config, publicUrlOf } from '../config.ts';
import { AppError, createProblems, type TokenFailure } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { SessionId, UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { forUpdate, toDate, toDateOrNull } from '../storage/sql.ts';
import { type Addressee, letter } from './letters.ts';
import type { Letter, Mail } from './mail.ts';
import { checkEmail, foldName } from './names.ts';
import { checkPassword, mustAllowPasswords, type Passwords } from './passwords.ts';
import type { RateLimits } from './rate-limits.ts';

export type PasswordReset = ReturnType<typeof createPasswordReset>;

/** 256 bits, of which OWASP asks for 128. */
const codeBytes = 32;
/** For how long an old code is still recognised as such. */
const rememberedMs = 24 * 60 * 60_000;
const sweptAtOnce = 500;

export function createPasswordReset({
  db,
  write,
  passwords,
  limits,
  mail,
  config,
  clock,
  endSessions,
  forgetSession,
}: {
  db: Database;
  write: Write;
  passwords: Passwords;
  limits: RateLimits;
  mail: Pick<Mail, 'post' | 'postByEmail' | 'wake'>;
  config: Pick<Config, 'PUBLIC_URL' | 'HOST' | 'PORT' | 'PASSWORD_RESET_SECONDS' | 'PASSWORD_LOGIN'>;
  clock: () => Date;
  /** Ends all sessions of an account because its password changed, inside the transaction. Returns their ids. */
  endSessions: (tx: Tx, append: Append, userId: UserId) => Promise<SessionId[]>;
  /** Called after the commit: from then on, tokens of this session fail. */
  forgetSession: (sessionId: SessionId) => void;
}) {
  const place = new URL(publicUrlOf(config)).host;
  return { request, confirm, sweep, writeReset };

  /**
   * Mails a code to the account with this e-mail, if there is one. The work done before the answer is the same if there is none. Fails with
   * VALIDATION_FAILED, RATE_LIMITED (per e-mail, known or not, and per client address) or UNAVAILABLE.
   */
  async function request(email: string, client: { ipAddress: string }): Promise<void> {
    mustAllowPasswords(config);
    const problems = createProblems();
    checkEmail(problems, email);
    problems.check();
    const emailKey = foldName(email);
    await limits.take('RESET', { address: client.ipAddress }, { name: emailKey });
    await mail.postByEmail('password-reset', emailKey);
  }

  /**
   * Sets a new password with a code, which works only once, and ends all sessions. If the password is refused, the code stays good. Returns how many sessions
   * were ended. Fails with INVALID_TOKEN, VALIDATION_FAILED, RATE_LIMITED (wrong codes count for their address like wrong passwords) or UNAVAILABLE.
   */
  async function confirm(
    input: { token: string; newPassword: string; newPasswordConfirmation?: string | null },
    client: { ipAddress: string },
  ): Promise<{ endedSessions: number }> {
    mustAllowPasswords(config);
    const guess = limits.guess(['LOGIN_WIDE', { address: client.ipAddress }]);
    await guess.check();
    const digest = digestOf(input.token.trim().slice(0, 100));
    const { id, username } = await getAccountOf(digest).catch(async (error) => {
      await guess.count();
      throw error;
    });
    const problems = createProblems();
    checkPassword(problems, 'newPassword', input.newPassword, username, input.newPasswordConfirmation);
    problems.check();
    const passwordHash = await passwords.hash(input.newPassword, { account: id, address: client.ipAddress });
    const endedIds = await write(async (tx, append) => {
      const now = clock();
      // The account comes first, as in a login, so that a session that is being opened with the old password is either seen below or not opened.
      const changed = await tx.user.updateMany({ where: { id, deletedAt: null }, data: { passwordHash } });
      const used = await tx.passwordReset.updateMany({ where: { digest, usedAt: null, expiresAt: { gt: now } }, data: { usedAt: now } });
      // Another try was faster, or its time ran out while the password was hashed.
      if (changed.count === 0 || used.count === 0) throw invalidCode('REVOKED');
      await voidResetCodes(tx, id, now);
      await tx.mail.deleteMany({ where: { userId: id, kind: 'password-reset' } });
      await mail.post(tx, 'password-changed', id);
      return endSessions(tx, append, id);
    });
    for (const sessionId of endedIds) forgetSession(sessionId);
    mail.wake();
    return { endedSessions: endedIds.length };
  }

  /** Whose code this is, when it can be used. */
  async function getAccountOf(digest: string): Promise<{ id: UserId; username: string }> {
    type Row = { id: UserId; username: string; usedAt: unknown; expiresAt: unknown };
    const [row] = await db.sql.all<Row>(
      'SELECT u."id", u."username", r."usedAt", r."expiresAt" FROM "PasswordReset" r JOIN "User" u ON u."id" = r."userId" WHERE r."digest" = ? AND u."deletedAt" IS NULL',
      [digest],
    );
    if (!row) throw invalidCode('UNKNOWN');
    if (toDateOrNull(row.usedAt)) throw invalidCode('REVOKED');
    if (toDate(row.expiresAt) <= clock()) throw invalidCode('EXPIRED');
    return { id: row.id, username: row.username };
  }

  /** Forgets codes that ended a day ago, a bounded piece at a time. Returns how many went. */
  async function sweep(): Promise<number> {
    const before = new Date(clock().getTime() - rememberedMs);
    for (let gone = 0; ; ) {
      const rows = await db.sqlTransaction((sql) =>
        sql.all('DELETE FROM "PasswordReset" WHERE "digest" IN (SELECT "digest" FROM "PasswordReset" WHERE "expiresAt" < ? LIMIT ?) RETURNING "digest"', [before, sweptAtOnce]),
      );
      gone += rows.length;
      if (rows.length < sweptAtOnce) return gone;
    }
  }

  /** Makes a new code, which voids the older ones, and the mail that carries it. Null when the account is gone or has no e-mail any more. */
  async function writeReset(userId: UserId): Promise<Letter | null> {
    const code = randomBytes(codeBytes).toString('base64url');
    const now = clock();
    const expiresAt = new Date(now.getTime() + config.PASSWORD_RESET_SECONDS * 1000);
    const person = await db.sqlTransaction(async (sql) => {
      // Held until the commit: when the e-mail changes afterwards, that voids this code.
      const [row] = await sql.all<Addressee>(`SELECT "username", "email" FROM "User" WHERE "id" = ? AND "deletedAt" IS NULL ${forUpdate(sql.engine)}`, [userId]);
      if (row?.email == null) return null;
      await sql.all('UPDATE "PasswordReset" SET "usedAt" = ? WHERE "userId" = ? AND "usedAt" IS NULL', [now, userId]);
      await sql.all('INSERT INTO "PasswordReset" ("digest", "userId", "createdAt", "expiresAt") VALUES (?, ?, ?, ?)', [digestOf(code), userId, now, expiresAt]);
      return row;
    });
    if (!person?.email) return null;
    // Behind `#`, where neither servers nor `Referer` headers see it.
    const link = `${publicUrlOf(config)}/reset-password#${code}`;
    return letter(person, {
      subject: `A new password for ${place}`,
      paragraphs: [
        `Somebody, hopefully you, has forgotten the password of your account at ${place}. To set a new one, open this page:`,
        { link, label: 'Set a new password' },
        'Or give this code to your app:',
        { code },
        `It works once, until ${timeOf(expiresAt)}. All devices will then have to sign in again.`,
        'If it was not you, there is nothing to do: your password stays as it is.',
      ],
    });
  }
}

/** The codes that an account has been sent work no more: its password or e-mail is another now. Inside the transaction of that change. */
export async function voidResetCodes(tx: Tx, userId: UserId, now: Date): Promise<void> {
  await tx.passwordReset.updateMany({ where: { userId, usedAt: null }, data: { usedAt: now } });
}

const timeOf = (date: Date): string => `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** What the database keeps of a code. One that cannot be guessed needs no salt and no slow hash. */
const digestOf = (code: string): string => createHash('sha256').update(code).digest('base64url');

const failureSentences = {
  UNKNOWN: 'This code is not known here.',
  EXPIRED: 'The code has expired: ask for a new one.',
  REVOKED: 'The code was used or replaced by a newer one.',
} satisfies Partial<Record<TokenFailure, string>>;
const invalidCode = (tokenFailure: keyof typeof failureSentences): AppError => new AppError('INVALID_TOKEN', { tokenFailure }, failureSentences[tokenFailure]);
