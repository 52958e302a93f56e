/**
 * Prisma's adapter prepares each query anew. better-sqlite3 gives back what was prepared in a turn of the event loop after its object was collected as garbage: a thread
 * of the database makes hardly any garbage and has no such turns, so each login took 70 KB of it for ever.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type Sqlite from 'better-sqlite3';

/** Prisma writes a list as so many `?`, so there is no end to its texts. One takes some 10 KB. */
const mostKept = 500;

/** What the adapter does with a statement: binds it, which may be done once, and runs it. */
type Bound = Pick<Sqlite.Statement, 'reader' | 'columns' | 'run'> & { raw(): { all(): unknown[] } };

/** From now on, each text is prepared once on this connection, which nobody but the adapter may have. `makeRoom` is to be awaited before each query: it gives back what was prepared when there is too much. */
export function keepStatements(connection: Sqlite.Database): { makeRoom(): Promise<void> } {
  const prepare = connection.prepare.bind(connection);
  const kept = new Map<string, Sqlite.Statement>();
  const statementOf = (text: string): Sqlite.Statement => {
    let statement = kept.get(text);
    if (!statement) kept.set(text, (statement = prepare(text)));
    return statement;
  };
  const bindable = (text: string): { bind(values: unknown[]): Bound } => ({
    bind(values) {
      const statement = statementOf(text);
      return {
        reader: statement.reader,
        columns: () => statement.columns(),
        run: () => statement.run(values),
        raw: () => ({ all: () => statement.raw().all(values) }),
      };
    },
  });
  connection.prepare = bindable as never;
  return {
    async makeRoom() {
      if (kept.size < mostKept) return;
      kept.clear();
      collectGarbage();
      await nextTurn();
    },
  };
}

let collect: (() => void) | null = null;

function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
