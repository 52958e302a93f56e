/** Counts what guards a secret in PostgreSQL, once for all servers: whoever guesses on several has no more tries. Times are the database's, which all servers share. */
import { createHash } from 'node:crypto';
import type { Database } from '../storage/database.ts';

/** `most` in so many seconds, from the first one on. */
export type Share = { key: string; most: number; seconds: number };
export type Tally = ReturnType<typeof createTally>;

export function createTally({ db }: { db: Database }) {
  return { findFull, add, take, giveBack, sweep };

  /** One of these of which nothing is left, and for how long; or null. */
  async function findFull(shares: readonly Share[]): Promise<{ share: Share; leftMs: number } | null> {
    const rows = await db.sql.all<{ key: string; count: number; leftMs: number }>(
      `SELECT "key", "count", CAST(extract(epoch FROM "endsAt" - now()) * 1000 AS int) AS "leftMs" FROM "Tally" WHERE "key" = ANY(?::text[]) AND "endsAt" > now()`,
      [shares.map(digest)],
    );
    for (const share of shares) {
      const row = rows.find(({ key }) => key === digest(share));
      if (row && row.count >= share.most) return { share, leftMs: Math.max(1, row.leftMs) };
    }
    return null;
  }

  /** Counts one for each, whatever is left. */
  async function add(shares: readonly Share[]): Promise<void> {
    const sorted = inOrder(shares);
    await db.sql.all(`${insert} ${count}`, [sorted.map(digest), sorted.map(({ seconds }) => seconds)]);
  }

  /** Counts one for each, or none and resolves to one of which nothing is left. */
  async function take(shares: readonly Share[]): Promise<{ share: Share; leftMs: number } | null> {
    const sorted = inOrder(shares);
    const refused = new Error('refused');
    try {
      await db.sqlTransaction(async (sql) => {
        const counted = await sql.all(
          `${insert} ${count} WHERE t."endsAt" <= now() OR t."count" < ALL (SELECT l FROM unnest(?::text[], ?::int[]) AS m(k, l) WHERE k = t."key") RETURNING "key"`,
          [sorted.map(digest), sorted.map(({ seconds }) => seconds), sorted.map(digest), sorted.map(({ most }) => most)],
        );
        if (counted.length < sorted.length) throw refused;
      });
      return null;
    } catch (error) {
      if (error !== refused) throw error;
      return (await findFull(shares)) ?? { share: shares[0] as Share, leftMs: 1 };
    }
  }

  /** What was taken was not used up after all. */
  async function giveBack(shares: readonly Share[]): Promise<void> {
    await db.sqlTransaction(async (sql) => {
      for (const share of inOrder(shares)) await sql.all('UPDATE "Tally" SET "count" = "count" - 1 WHERE "key" = ? AND "endsAt" > now() AND "count" > 0', [digest(share)]);
    });
  }

  /** Forgets what is over. */
  async function sweep(): Promise<number> {
    return (await db.sql.all('DELETE FROM "Tally" WHERE "endsAt" < now() RETURNING "key"', [])).length;
  }
}

const insert = `INSERT INTO "Tally" AS t ("key", "count", "endsAt") SELECT k, 1, now() + s * interval '1 second' FROM unnest(?::text[], ?::int[]) AS given(k, s)`;
const count = `ON CONFLICT ("key") DO UPDATE SET
  "count" = CASE WHEN t."endsAt" <= now() THEN 1 ELSE t."count" + 1 END, "endsAt" = CASE WHEN t."endsAt" <= now() THEN EXCLUDED."endsAt" ELSE t."endsAt" END`;

/** Names and addresses are kept nowhere. */
const digest = ({ key }: Share): string => createHash('sha256').update(key).digest('base64url');
/** Who counts several waits for nobody who waits for them. */
const inOrder = (shares: readonly Share[]): Share[] =>
  [...new Map(shares.map((share) => [digest(share), share])).entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, share]) => share);
