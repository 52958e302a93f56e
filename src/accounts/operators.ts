/** The accounts named by the setting OPERATORS. The right is not tied to the name: somebody who takes over the name of a former operator does not get it. */
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Database, Tx } from '../storage/database.ts';
import { oneOfList } from '../storage/sql.ts';
import { foldName } from './names.ts';

export type Operators = ReturnType<typeof createOperators>;

export function createOperators({ db, digest, config, log }: { db: Database; digest: (text: string) => string; config: Pick<Config, 'OPERATORS'>; log: Log }) {
  const named = new Set(config.OPERATORS.map(foldName));
  const digestOf = (usernameKey: string): string => digest(`operator ${usernameKey}`);
  return { areNamed: named.size > 0, isOperator, retire, forgetUnnamed };

  async function isOperator(usernameKey: string): Promise<boolean> {
    return named.has(usernameKey) && (await db.sql.all('SELECT 1 FROM "FormerOperator" WHERE "digest" = ?', [digestOf(usernameKey)])).length === 0;
  }

  /** Called when the account with this name is deleted or renamed. */
  async function retire(tx: Tx, usernameKey: string): Promise<void> {
    if (!named.has(usernameKey)) return;
    const digest = digestOf(usernameKey);
    await tx.formerOperator.upsert({ where: { digest }, create: { digest }, update: {} });
    log.warn('an operator gives up their name, by deleting the account or by another name: whoever takes it is no operator until OPERATORS names it anew');
  }

  /** A name that was taken out of the setting may be put in again, for whoever has it then. Called once, at the start. */
  async function forgetUnnamed(): Promise<void> {
    const known = await db.sql.all<{ digest: string }>('SELECT "digest" FROM "FormerOperator"', []);
    const kept = new Set([...named].map(digestOf));
    const gone = known.flatMap(({ digest }) => (kept.has(digest) ? [] : [digest]));
    if (gone.length > 0) await db.sqlTransaction((sql) => sql.all(`DELETE FROM "FormerOperator" WHERE ${oneOfList(sql.engine, '"digest"', 'text')}`, [gone]));
  }
}
