/**
 * The outbox: a mail waits in the database until a mail server has taken it, so that none is lost in a restart or while that server is down.
 * Its text is written when it is sent: until then, only its kind and its account are stored, and an address that is no more the account's.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, publicUrlOf } from '../config.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database, Tx } from '../storage/database.ts';
import { freeClaims, toDate } from '../storage/sql.ts';

export type Mail = ReturnType<typeof createMail>;
export type MailKind = 'password-reset' | 'password-changed' | 'email-changed';
export type Letter = { to: string; subject: string; text: string; html: string };
/** Writes a mail of one kind when it is about to be sent, to the address stored with it, or else the account's. Null when there is nothing to send any more. */
export type Compose = (userId: UserId, address: string | null) => Promise<Letter | null>;

type Waiting = { id: number; kind: MailKind; userId: UserId | null; address: string | null; tries: number };

/** How many conversations with the mail server run at a time. */
const width = 3;
/** If the process dies during a try, the next one begins after this time. It is longer than any conversation may take. */
const leaseMs = 120_000;
const conversationMs = 60_000;
const firstPauseMs = 1_000;
const longestPauseMs = 15 * 60_000;
/** Together with the pauses, this is more than five hours. */
const mostTries = 30;
/** Another node may have left mails behind. */
const lookAgainMs = 30_000;
/** Roughly how long a mail that anybody can ask for is held back. */
const quietMs = 300;
/** How long a stop waits for the mail server to answer. */
const lastWordsMs = 500;

export function createMail({
  db,
  config,
  clock,
  log,
}: {
  db: Database;
  config: Pick<Config, 'SMTP_URL' | 'MAIL_FROM' | 'DATA_DIR' | 'PUBLIC_URL' | 'HOST' | 'PORT'>;
  clock: () => Date;
  log: Log;
}) {
  const folder = join(config.DATA_DIR, 'outbox');
  const from = config.MAIL_FROM || `Tertulia <no-reply@${new URL(publicUrlOf(config)).hostname}>`;
  const hand = config.SMTP_URL ? overSmtp(config.SMTP_URL) : intoFolder();
  const lanes = new Set<Promise<void>>();
  const stopping = new AbortController();
  let composers: Record<MailKind, Compose> | null = null;
  let timer: NodeJS.Timeout | undefined;
  return { post, postByEmail, wake, start, close, erase };

  // ---------------------------------------------------------------- posting

  /** Puts a mail to an account into the outbox, in the caller's transaction. `address` is for a mail to one that the account has no more. `wake` after the commit sends it at once. */
  async function post(tx: Tx, kind: MailKind, userId: UserId, address: string | null = null): Promise<void> {
    const now = clock();
    await tx.mail.create({ data: { kind, userId, address, createdAt: now, nextTryAt: now } });
  }

  /** Stores a mail to whoever has this (folded) e-mail. It does exactly the same work when nobody has it, so neither the answer nor its timing gives that away. Fails with UNAVAILABLE. */
  async function postByEmail(kind: MailKind, emailKey: string): Promise<void> {
    const now = clock();
    await db.sqlTransaction((sql) =>
      sql.all('INSERT INTO "Mail" ("kind", "userId", "createdAt", "nextTryAt") VALUES (?, (SELECT "id" FROM "User" WHERE "emailKey" = ? AND "deletedAt" IS NULL), ?, ?)', [
        kind,
        emailKey,
        now,
        now,
      ]),
    );
    // At a random time: sending right away would slow down the next request, and so show that the address is known.
    setTimeout(wake, quietMs * (0.2 + Math.random())).unref();
  }

  // ---------------------------------------------------------------- sending

  /** Starts sending. */
  async function start(given: Record<MailKind, Compose>): Promise<void> {
    composers = given;
    await freeClaims(db, 'Mail', leaseMs, clock());
    if (!config.SMTP_URL) log.info({ folder }, 'SMTP_URL is not set: mails are written into files instead of being sent');
    wake();
  }

  /** Looks for mails that are due. Never throws; nobody waits for it. */
  function wake(): void {
    if (!composers || stopping.signal.aborted || lanes.size >= width) return;
    const lane = work(composers)
      .catch((error: unknown) => {
        log.warn({ err: error }, 'the outbox could not be read; trying again later');
        lookAfter(lookAgainMs);
      })
      .finally(() => lanes.delete(lane));
    lanes.add(lane);
  }

  function lookAfter(ms: number): void {
    clearTimeout(timer);
    if (!stopping.signal.aborted) timer = setTimeout(wake, ms).unref();
  }

  async function work(compose: Record<MailKind, Compose>): Promise<void> {
    while (!stopping.signal.aborted) {
      const mail = await claim();
      if (!mail) return;
      // There may be more for another lane.
      wake();
      await deliver(mail, compose);
    }
  }

  /** Takes the mail that has been due for the longest. Null when none is due, and then a later look is scheduled. */
  async function claim(): Promise<Waiting | null> {
    const [next] = await db.sql.all<{ nextTryAt: unknown }>('SELECT "nextTryAt" FROM "Mail" ORDER BY "nextTryAt" LIMIT 1', []);
    const now = clock();
    const waitMs = next ? toDate(next.nextTryAt).getTime() - now.getTime() : lookAgainMs;
    if (waitMs > 0) {
      lookAfter(Math.min(waitMs, lookAgainMs));
      return null;
    }
    const locked = db.engine === 'postgresql' ? 'FOR UPDATE SKIP LOCKED' : '';
    const [mail] = await db.sqlTransaction((sql) =>
      sql.all<Waiting>(
        `UPDATE "Mail" SET "tries" = "tries" + 1, "nextTryAt" = ? WHERE "id" = (SELECT "id" FROM "Mail" WHERE "nextTryAt" <= ? ORDER BY "nextTryAt", "id" LIMIT 1 ${locked})
        RETURNING "id", "kind", "userId", "address", "tries"`,
        [new Date(now.getTime() + leaseMs), now],
      ),
    );
    return mail ?? null;
  }

  async function deliver(mail: Waiting, compose: Record<MailKind, Compose>): Promise<void> {
    const { id, kind, userId, address, tries } = mail;
    try {
      const letter = userId === null || (await isOutdated(mail)) ? null : await compose[kind](userId, address);
      if (letter) await hand(letter, mail);
      await forget(id);
    } catch (error) {
      const reason = reasonOf(error);
      if (stopping.signal.aborted) return tryAgain(id, 0, 'stopped');
      if (isFinal(error) || tries >= mostTries) {
        log.error({ mail: id, kind, tries, ...reason }, 'a mail was given up');
        return forget(id);
      }
      const pauseMs = Math.min(firstPauseMs * 2 ** (tries - 1), longestPauseMs);
      await tryAgain(id, pauseMs, Object.values(reason).join(' '));
      log.warn({ mail: id, kind, tries, ...reason, againInMs: pauseMs }, 'a mail could not be sent; trying again later');
    }
  }

  /** The same mail was asked for again later: only the last one is worth sending. */
  async function isOutdated({ id, kind, userId, address }: Waiting): Promise<boolean> {
    return (
      (await db.sql.all('SELECT 1 FROM "Mail" WHERE "userId" = ? AND "kind" = ? AND "id" > ? AND "address" IS NOT DISTINCT FROM ? LIMIT 1', [userId, kind, id, address])).length > 0
    );
  }

  async function forget(id: number): Promise<void> {
    await db.sqlTransaction((sql) => sql.all('DELETE FROM "Mail" WHERE "id" = ?', [id]));
  }

  async function tryAgain(id: number, pauseMs: number, lastError: string): Promise<void> {
    const nextTryAt = new Date(clock().getTime() + pauseMs);
    await db.sqlTransaction((sql) => sql.all('UPDATE "Mail" SET "nextTryAt" = ?, "lastError" = ? WHERE "id" = ?', [nextTryAt, lastError.slice(0, 200), id]));
  }

  // ---------------------------------------------------------------- the two ways out

  /** A real conversation (RFC 5321), encrypted where the server offers it (RFC 3207) or from the start with smtps. */
  function overSmtp(url: string) {
    const transport = atFirstMail(({ createTransport }) =>
      createTransport({ url, connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, disableFileAccess: true, disableUrlAccess: true }),
    );
    return async (letter: Letter, { id, kind }: Waiting): Promise<void> => {
      await (await transport()).sendMail({ ...envelope(letter), signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(conversationMs)]) });
      log.info({ mail: id, kind }, 'mail sent');
    };
  }

  function intoFolder() {
    const transport = atFirstMail(({ createTransport }) =>
      createTransport({ streamTransport: true, buffer: true, newline: 'windows', disableFileAccess: true, disableUrlAccess: true }),
    );
    return async (letter: Letter, { id, kind, userId }: Waiting): Promise<void> => {
      const { message } = await (await transport()).sendMail(envelope(letter));
      const name = `${clock().toISOString().replaceAll(/[:.-]/g, '')}-user${userId}-${id}-${kind}.eml`;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(join(folder, `.${name}`), message as Buffer, { mode: 0o600, flush: true });
      await rename(join(folder, `.${name}`), join(folder, name));
      log.info({ mail: id, kind, file: `outbox/${name}` }, 'mail written into a file, because SMTP_URL is not set');
    };
  }

  /** Machines must say that nobody reads their replies (RFC 3834). */
  function envelope({ to, subject, text, html }: Letter) {
    return { from, to: { name: '', address: to }, subject, text, html, headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' } };
  }

  // ---------------------------------------------------------------- ending

  /** Deletes the files of mails to an account. Its rows go with a DELETE in the caller's transaction. */
  async function erase(userId: UserId): Promise<void> {
    // A mail that is being written right now has read the account before it was blanked.
    if (!config.SMTP_URL) await Promise.all(lanes);
    const names = await readdir(folder).catch(() => []);
    await Promise.all(names.filter((name) => name.includes(`-user${userId}-`)).map((name) => rm(join(folder, name), { force: true })));
  }

  /** Stops sending. Mails on their way get a moment to finish. Otherwise they are cut off, and sent after the next start. */
  async function close(): Promise<void> {
    composers = null;
    clearTimeout(timer);
    const idle = Promise.all(lanes);
    await Promise.race([idle, sleep(lastWordsMs, undefined, { ref: false })]);
    stopping.abort();
    clearTimeout(timer);
    await Promise.all(lanes);
  }
}

/** Only a server that has a mail to send loads what sends it. */
function atFirstMail<Transport>(make: (nodemailer: typeof import('nodemailer')) => Transport): () => Promise<Transport> {
  let made: Promise<Transport> | undefined;
  return () => (made ??= import('nodemailer').then(make));
}

/** What may be logged about a failed try. Replies of mail servers are not logged, because they repeat addresses. */
function reasonOf(error: unknown): { code: string; command?: string; responseCode?: number } {
  const { code, originalCode = code, command, responseCode, name } = error as Record<'code' | 'originalCode' | 'command' | 'responseCode' | 'name', unknown>;
  return {
    code: typeof originalCode === 'string' ? originalCode : String(name ?? 'unknown'),
    ...(typeof command === 'string' ? { command: command.split(' ').slice(0, 2).join(' ').slice(0, 20) } : {}),
    ...(typeof responseCode === 'number' ? { responseCode } : {}),
  };
}

/** The server refused this recipient or this message for good (RFC 5321, 4.2.1). A refused login or sender is for the operator to fix, and the mail waits for that. */
function isFinal(error: unknown): boolean {
  const { command, responseCode } = error as { command?: unknown; responseCode?: unknown };
  return typeof responseCode === 'number' && responseCode >= 500 && (command === 'RCPT TO' || command === 'DATA');
}
