/** The browsers that Web Pushes go to. Each belongs to the session that registered it, and ends with that. */
import { ECDH } from 'node:crypto';
import { checkLine, withoutInvisible } from '../accounts/names.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, notFound } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { PushDeviceId, UserId } from '../ids.ts';
import { refusalOf } from '../outgoing.ts';
import type { Database, Tx } from '../storage/database.ts';
import { mustLockAccount } from '../storage/locks.ts';
import { type PushDeviceRow, toPushDeviceRow } from '../storage/rows.ts';
import { forUpdate, oneOfList, type Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';

export type PushDevices = ReturnType<typeof createPushDevices>;
/** What a browser's `PushSubscription` says. */
export type Registration = { endpoint: string; p256dh: string; auth: string; label: string | null };

/** Devices of one account. */
export const mostDevices = 20;

const rowsAtOnce = 1_000;

export function createPushDevices({ db, write, config, clock }: { db: Database; write: Write; config: Pick<Config, 'PUSH_TO_PRIVATE_ADDRESSES'>; clock: () => Date }) {
  return { register, unregister, list, findMany, sweep, eraseAll };

  /**
   * Makes a browser one of the viewer's devices, for as long as the session lives. The same endpoint again updates it; one of another account moves here.
   * Fails with VALIDATION_FAILED, QUOTA_EXCEEDED beyond 20 devices, or TOKEN_INVALID when the account was deleted meanwhile.
   */
  async function register(viewer: Viewer, given: Registration): Promise<PushDeviceRow> {
    const problems = createProblems();
    const refusal = given.endpoint.length > 2_000 ? 'An endpoint has at most 2,000 characters.' : refusalOf(given.endpoint, config.PUSH_TO_PRIVATE_ADDRESSES);
    if (refusal !== null) problems.add(['webPush', 'endpoint'], 'endpoint', refusal);
    if (!isPoint(given.p256dh)) problems.add(['webPush', 'p256dh'], 'format', 'This is not a public key on P-256, uncompressed, in base64url.');
    if (!isSecret(given.auth)) problems.add(['webPush', 'auth'], 'format', 'An authentication secret is 16 bytes in base64url.');
    if (given.label) checkLine(problems, 'label', given.label, 80);
    problems.check();
    const data = {
      userId: viewer.userId,
      sessionId: viewer.sessionId,
      p256dh: trimmed(given.p256dh),
      auth: trimmed(given.auth),
      label: withoutInvisible(given.label ?? '') || null,
    };
    return write(async (tx, append) => {
      const sql = db.sqlIn(tx);
      // One after the other, what wants the same endpoint, and what wants the last place of one account.
      if (db.engine === 'postgresql') await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${given.endpoint}, 0))`;
      await mustLockAccount(sql, viewer.userId);
      const [known] = await sql.all<{ id: PushDeviceId; userId: UserId }>(`SELECT "id", "userId" FROM "PushDevice" WHERE "endpoint" = ? ${forUpdate(db.engine)}`, [given.endpoint]);
      append({ type: 'account-changed', userId: viewer.userId });
      if (known?.userId === viewer.userId) return tx.pushDevice.update({ where: { id: known.id }, data });
      const used = (await liveDevices(sql, viewer.userId, clock())).length;
      if (used >= mostDevices) throw new AppError('QUOTA_EXCEEDED', { limit: mostDevices, used }, `An account has at most ${mostDevices} push devices: unregister one first.`);
      if (known) {
        // Another device: what still waits for it is not for the viewer's eyes.
        await removeDevices(sql, [known.id]);
        append({ type: 'account-changed', userId: known.userId });
      }
      return tx.pushDevice.create({ data: { ...data, endpoint: given.endpoint, createdAt: clock() } });
    });
  }

  /** Nothing more is sent to the device. Fails with NOT_FOUND (PushDevice) for one that is not the viewer's. */
  async function unregister({ userId }: Viewer, deviceId: PushDeviceId): Promise<void> {
    await write(async (tx, append) => {
      const { count } = await tx.pushDevice.deleteMany({ where: { id: deviceId, userId } });
      if (count === 0) throw notFound('PushDevice');
      await tx.push.deleteMany({ where: { deviceId } });
      append({ type: 'account-changed', userId });
    });
  }

  /** The viewer's devices, oldest first. */
  function list({ userId }: Viewer): Promise<PushDeviceRow[]> {
    return liveDevices(db.sql, userId, clock());
  }

  /** Those of the viewer's by id, in the order of the ids. */
  async function findMany(viewer: Viewer, ids: readonly PushDeviceId[]): Promise<(PushDeviceRow | null)[]> {
    const own = new Map((await list(viewer)).map((device) => [device.id, device]));
    return ids.map((id) => own.get(id) ?? null);
  }

  /** Those of a deleted account. */
  async function eraseAll(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    const sql = db.sqlIn(tx);
    const devices = await sql.all<{ id: PushDeviceId }>('SELECT "id" FROM "PushDevice" WHERE "userId" = ?', [userId]);
    await removeDevices(
      sql,
      devices.map(({ id }) => id),
    );
  }

  /** Removes devices whose session has ended or expired. Returns how many went. */
  async function sweep(): Promise<number> {
    const over = await db.scan.all<{ id: PushDeviceId }>(
      `SELECT d."id" FROM "PushDevice" d LEFT JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ? WHERE s."id" IS NULL LIMIT ?`,
      [clock(), rowsAtOnce],
    );
    if (over.length === 0) return 0;
    await db.sqlTransaction((sql) =>
      removeDevices(
        sql,
        over.map(({ id }) => id),
      ),
    );
    return over.length;
  }
}

/** Whoever changes devices and their pushes takes the devices first, in order: two nodes would wait for each other otherwise. */
export async function lockDevices(sql: Sql, ids: readonly PushDeviceId[]): Promise<void> {
  if (sql.engine === 'postgresql') await sql.all(`SELECT "id" FROM "PushDevice" WHERE ${oneOfList(sql.engine, '"id"')} ORDER BY "id" FOR UPDATE`, [ids]);
}

/** Removes devices with all that waits for them. Returns whose they were. */
export async function removeDevices(sql: Sql, ids: readonly PushDeviceId[]): Promise<UserId[]> {
  await lockDevices(sql, ids);
  await sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"deviceId"')}`, [ids]);
  return (await sql.all<{ userId: UserId }>(`DELETE FROM "PushDevice" WHERE ${oneOfList(sql.engine, '"id"')} RETURNING "userId"`, [ids])).map(({ userId }) => userId);
}

/** Those whose session has not ended: the others are removed soon. */
async function liveDevices(sql: Sql, userId: UserId, now: Date): Promise<PushDeviceRow[]> {
  const rows = await sql.all<PushDeviceRow>(
    'SELECT d.* FROM "PushDevice" d JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ? WHERE d."userId" = ? ORDER BY d."id"',
    [now, userId],
  );
  return rows.map(toPushDeviceRow);
}

const trimmed = (base64url: string): string => base64url.replace(/={1,2}$/, '');
const decoded = (base64url: string): Buffer => (/^[A-Za-z0-9_-]{1,100}={0,2}$/.test(base64url) ? Buffer.from(base64url, 'base64url') : Buffer.alloc(0));
const isSecret = (auth: string): boolean => decoded(auth).length === 16;

function isPoint(p256dh: string): boolean {
  const bytes = decoded(p256dh);
  if (bytes.length !== 65 || bytes[0] !== 4) return false;
  try {
    ECDH.convertKey(bytes, 'prime256v1');
    return true;
  } catch {
    return false;
  }
}
