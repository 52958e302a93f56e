/** What the log and the metrics are told of each operation, however it came. */
import type { Operation, ShownResult } from '../api/operation.ts';
import type { Exchange } from '../api/pipeline.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';

export type Tell = (exchange: Pick<Exchange, 'client' | 'who'>, operation: Operation, startedAt: number, outcome: string) => void;

export function createTell({ metrics, log }: { metrics: Pick<Metrics, 'operation'>; log: Log }, over: 'http' | 'socket'): Tell {
  return ({ client, who }, { name, kind }, startedAt, outcome) => {
    const ms = performance.now() - startedAt;
    const by = who.viewer ? `account ${who.viewer.userId}` : client.ipAddress;
    metrics.operation({ transport: over === 'socket' ? 'websocket' : kind === 'subscription' ? 'sse' : 'http', kind, name, by, outcome, seconds: ms / 1000 });
    log.info({ requestId: client.requestId, userId: who.viewer?.userId, operation: name?.slice(0, 64), kind, ms: Math.round(ms * 10) / 10, outcome }, `operation over ${over}`);
  };
}

/** `ok`, or the code of the first error. */
export const outcomeOf = (result: ShownResult): string => (result.errors?.[0] ? String(result.errors[0].extensions?.code) : 'ok');
