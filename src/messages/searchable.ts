/** What messages need of the index in which they are searched for: it must not keep what is changed or gone. */
import type { MessageId } from '../ids.ts';
import type { Sql } from '../storage/sql.ts';

/** Statements of the transaction that changes the messages. */
export type SearchEntries = {
  /** Before the text or the files of messages change, or the messages go. */
  takeOut(sql: Sql, ids: readonly MessageId[]): Promise<void>;
  /** Behind it, for what still stands. */
  putIn(sql: Sql, ids: readonly MessageId[]): Promise<void>;
};
