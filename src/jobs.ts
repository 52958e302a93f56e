/**
 * The transactions that are in a hurry, put together like app.ts does the rest: on SQLite the thread that writes imports this module, and runs each of them for one
 * message (docs/decisions/threads.md). They are functions of `sql` and what they are given, which is JSON, and import no more than they need.
 */
import { type Batch, type BatchName, toJob } from './events/batch.ts';
import { attach, hold } from './files/holding.ts';
import { type Draft, type StoredDrafts, storeDrafts } from './messages/batch.ts';
import { type Move, type StoredMoves, storeMoves } from './messages/moves.ts';
import { announce } from './notifications/announce.ts';
import { indexSome } from './search/entries.ts';
import { functionsModule } from './search/sql-functions.ts';
import type { Jobs, JobsModule } from './storage/connections.ts';

const storeMessages: Batch<readonly Draft[], StoredDrafts> = (sql, number, drafts, at) => storeDrafts(sql, number, drafts, at, { announce, files: { hold, attach } });
const moveMarkers: Batch<readonly Move[], StoredMoves> = storeMoves;

export const jobs = { 'store messages': toJob(storeMessages), 'move markers': toJob(moveMarkers), 'index messages': indexSome } satisfies Record<
  BatchName | 'index messages',
  Jobs[string]
>;
export const jobsModule: JobsModule = { jobs, module: import.meta.url, functions: functionsModule };
