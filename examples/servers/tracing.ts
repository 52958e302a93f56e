/**
 * A server that writes a span for each operation, as OpenTelemetry has them (https://opentelemetry.io/docs/specs/semconv/graphql/graphql-spans/): part of the
 * trace that the client names in `traceparent`, whatever the operation came by. A real one hands them to an exporter instead of printing them.
 * Run it as `npm start` is run, with the same settings: node examples/servers/tracing.ts
 */
import { randomBytes } from 'node:crypto';
import { getOperationAST } from 'graphql';
import type { OperatorPlugin } from '../../src/api/pipeline.ts';
import { readConfig } from '../../src/config.ts';
import { startServer } from '../../src/server.ts';

const tracing: OperatorPlugin = {
  instrumentation: {
    async operation({ request, context }, run) {
      const [, traceId = randomBytes(16).toString('hex'), parentSpanId = null] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(request.headers.get('traceparent') ?? '') ?? [];
      Object.assign(context as object, { span: { traceId, spanId: randomBytes(8).toString('hex'), parentSpanId, startedAt: Date.now() } });
      await run();
    },
  },
  onExecute({ args }) {
    const { span } = args.contextValue as unknown as { span: { startedAt: number } };
    const operation = getOperationAST(args.document, args.operationName);
    return {
      onExecuteDone({ result }) {
        const attributes = { 'graphql.operation.name': operation?.name?.value, 'graphql.operation.type': operation?.operation };
        const status = 'errors' in result && result.errors ? 'ERROR' : 'OK';
        console.log(
          JSON.stringify({ ...span, name: `${operation?.operation} ${operation?.name?.value ?? ''}`.trim(), durationMs: Date.now() - span.startedAt, status, attributes }),
        );
      },
    };
  },
};

const server = await startServer(readConfig(process.env), { plugins: [tracing] });
console.log(`traced at ${server.url}/graphql`);
process.once('SIGTERM', () => void server.stop());
