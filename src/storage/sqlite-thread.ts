/**
 * The inside of a thread of the database: takes requests one after the other. It sleeps on a counter and never goes back to the event loop, as waking up by a
 * message event takes three times as long: what runs here may await nothing but its own statements.
 */
import { createRequire, flushCompileCache } from 'node:module';
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import type * as PrismaAdapter from '@prisma/adapter-better-sqlite3';
import Sqlite from 'better-sqlite3';
import { createClearing } from './clearing.ts';
import type { Jobs, SqlFunctions } from './connections.ts';
import { type Answer, type Request, type Statement, type ThreadStart, toWire } from './crossing.ts';
import { keepStatements } from './kept-statements.ts';
import { sqliteSql } from './sql.ts';

type PrismaConnection = Awaited<ReturnType<PrismaAdapter.PrismaBetterSqlite3['connect']>>;

type Opened = ReturnType<typeof open>;

const { port, sent, jobs, functions } = workerData as ThreadStart;
const known: Jobs = jobs === null ? {} : ((await import(jobs)) as { jobs: Jobs }).jobs;
const ofSql: SqlFunctions = functions === null ? {} : ((await import(functions)) as { functions: SqlFunctions }).functions;
let place = { file: '', pragmas: [] as readonly string[] };
const texts: string[] = [];
let statements = 0;
/** Made with the first request that needs them, which is told if that fails. */
let opened: Opened | null = null;
let prisma: Awaited<ReturnType<typeof openPrisma>> | null = null;
let prismaBegan = false;

// As src/main.ts does for its own: otherwise only a thread that ends by itself leaves anything to the next start.
flushCompileCache();
for (let seen = 0, isOpen = true; isOpen; ) {
  for (let message = receiveMessageOnPort(port); message; message = receiveMessageOnPort(port)) {
    const request = JSON.parse(message.message) as Request;
    port.postMessage(JSON.stringify(await answerTo(request)));
    if (request.type === 'close') isOpen = false;
  }
  if (isOpen) Atomics.wait(sent, 0, seen);
  seen = Atomics.load(sent, 0);
}
port.close();

async function answerTo(request: Request): Promise<Answer> {
  try {
    if (request.type === 'job') {
      const before = statements;
      const result = await runJob(request.name, request.input);
      return { result, statements: statements - before };
    }
    return { result: await run(request) };
  } catch (error) {
    return { error: toWire(error) };
  }
}

function run(request: Exclude<Request, { type: 'job' }>): unknown {
  if (request.type === 'close') return close();
  if (request.type === 'place') return void (place = request);
  if ('statement' in request) remember(request.statement);
  const { connection, sql, clearing } = (opened ??= open());
  switch (request.type) {
    case 'read':
      return sql.all(texts[request.statement.number] as string, request.statement.values);
    case 'statement':
      if (request.begins && request.ends) return inTransaction(({ sql }) => sql.all(texts[request.statement.number] as string, request.statement.values));
      if (request.begins) connection.exec('BEGIN IMMEDIATE');
      // It could not begin, or SQLite has rolled it back: what still comes of it must not be stored alone.
      else if (!connection.inTransaction) throw new Error('the transaction is over');
      return sql.all(texts[request.statement.number] as string, request.statement.values);
    case 'end':
      if (request.how === 'COMMIT' || connection.inTransaction) connection.exec(request.how);
      return;
    case 'prisma':
      return runPrisma(request);
    case 'clear remnants':
      return clearing.clear(request.from, async () => prisma?.adapter.executeScript('PRAGMA shrink_memory'));
    case 'sync remnants':
      return clearing.sync();
  }
}

function open() {
  const { file, pragmas } = place;
  const connection = new Sqlite(file);
  try {
    for (const pragma of pragmas) connection.pragma(pragma);
    for (const [name, run] of Object.entries(ofSql)) connection.function(name, { deterministic: true }, run as (...values: unknown[]) => unknown);
  } catch (error) {
    connection.close();
    throw error;
  }
  return { connection, sql: sqliteSql(connection, () => statements++), clearing: createClearing(connection, file) };
}

function remember({ number, text }: Statement): void {
  if (text !== undefined) texts[number] = text;
}

async function runJob(name: string, input: unknown): Promise<unknown> {
  const job = known[name];
  if (!job) throw new Error(`there is no job ${name}`);
  return inTransaction(({ sql }) => job(sql, input as never));
}

async function inTransaction<T>(job: (open: Opened) => Promise<T>): Promise<T> {
  const own = (opened ??= open());
  const { connection } = own;
  connection.exec('BEGIN IMMEDIATE');
  try {
    const result = await job(own);
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    throw error;
  }
}

/** On a connection of its own, as Prisma's adapter makes it. */
async function runPrisma({ how, query, transaction }: Extract<Request, { type: 'prisma' }>): Promise<unknown> {
  prisma ??= await openPrisma();
  await prisma.statements.makeRoom();
  const { adapter } = prisma;
  if (transaction === 'begins') {
    await adapter.executeScript('BEGIN IMMEDIATE');
    prismaBegan = true;
  } else if (transaction === 'goes on' && !prismaBegan) {
    if (query.sql === 'ROLLBACK') return 0;
    throw new Error('the transaction is over');
  }
  if (query.sql === 'COMMIT' || query.sql === 'ROLLBACK') prismaBegan = false;
  return adapter[how](query as Parameters<PrismaConnection['queryRaw']>[0]);
}

async function openPrisma() {
  // Loaded when it is needed, and as no import can be: an import awaits the event loop.
  const { PrismaBetterSqlite3 } = createRequire(import.meta.url)('@prisma/adapter-better-sqlite3') as typeof PrismaAdapter;
  const { file, pragmas } = place;
  const adapter = await new PrismaBetterSqlite3({ url: `file:${file}` }, { timestampFormat: 'unixepoch-ms' }).connect();
  const statements = keepStatements((adapter as unknown as { client: Sqlite.Database }).client);
  // What is in a hurry has the other connection, and the cache.
  await adapter.executeScript([...pragmas, 'cache_size = -2000'].map((pragma) => `PRAGMA ${pragma};`).join('\n'));
  return { adapter, statements };
}

async function close(): Promise<void> {
  await prisma?.adapter.dispose();
  opened?.connection.close();
  // Behind all connections: closing a descriptor of the file gives back the locks of the whole process.
  opened?.clearing.close();
}
