/** The schema builder, the root types and the scalars. */
import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import RelayPlugin from '@pothos/plugin-relay';
import { GraphQLError } from 'graphql';
import type { Context } from './context.ts';

export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultEdgesNullability: { list: false; items: false };
  DefaultNodeNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    EventCursor: { Input: string; Output: string };
    JSON: { Input: unknown; Output: unknown };
    URL: { Input: string; Output: string };
  };
}>({
  plugins: [ComplexityPlugin, RelayPlugin],
  defaultFieldNullability: false,
  complexity: { defaultComplexity: 1, defaultListMultiplier: 10 },
  relay: {
    cursorType: 'String',
    // The connection weighs the size of its page already, so its lists add nothing.
    nodesOnConnection: { complexity: { field: 1, multiplier: 1 }, description: 'The same as the nodes of `edges`.' },
    edgesFieldOptions: { complexity: { field: 1, multiplier: 1 }, nullable: { list: false, items: false }, description: 'The items with their cursors, in the order of the list.' },
    nodeFieldOptions: { nullable: false, description: 'The item.' },
    cursorFieldOptions: { description: 'Position of this item: give it as `after` or `before`.' },
    pageInfoFieldOptions: { description: 'Whether there is more, and where to go on.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list. Exact in both directions.' },
    nodeTypeOptions: { description: 'Anything with a globally unique id.' },
    idFieldOptions: { description: 'Globally unique, opaque, and the same for ever.' },
    hasNextPageFieldOptions: { description: 'Whether there is more behind this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this page.' },
    startCursorFieldOptions: { description: 'Of the first item: give it as `before`. Null on an empty page.' },
    endCursorFieldOptions: { description: 'Of the last item: give it as `after`. Null on an empty page.' },
    firstArgOptions: { description: 'At most so many from the start, or behind `after`; up to 100.' },
    lastArgOptions: { description: 'At most so many from the end, or before `before`; up to 100.' },
    afterArgOptions: { description: 'Behind this cursor.' },
    beforeArgOptions: { description: 'Before this cursor.' },
    // The look-ups by id answer null for garbage, as schema.graphql says; api/nodes.ts declares them.
    nodeQueryOptions: false,
    nodesQueryOptions: false,
  },
});

builder.queryType({ description: 'What can be asked.' });
builder.mutationType({ description: 'What can be changed. Every field answers with a union: its payload, or one of the errors that it can really return.' });
builder.subscriptionType({ description: 'What can be followed. Every stream ends with `SessionEnded` when the session does.' });

const badValue = (what: string): GraphQLError => new GraphQLError(`This is not ${what}.`, { extensions: { code: 'BAD_REQUEST' } });

/**
 * A date-time of RFC 3339, or null for what is none. JavaScript makes 2 March of 30 February, and the next day of hour 24. A leap second is refused: no Date
 * can hold it.
 */
function parseDateTime(text: string): Date | null {
  const match = /^(\d{4}-(\d\d)-(\d\d))[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/.exec(text);
  if (!match) return null;
  const day = new Date(`${match[1]}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || day.getUTCMonth() + 1 !== Number(match[2]) || day.getUTCDate() !== Number(match[3])) return null;
  const date = new Date(text.toUpperCase());
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 0 || date.getUTCFullYear() > 9999 ? null : date;
}

builder.scalarType('DateTime', {
  description: 'RFC 3339 date-time in UTC, millisecond precision, e.g. 2026-01-31T12:00:00.000Z.',
  specifiedByURL: 'https://scalars.graphql.org/andimarek/date-time.html',
  serialize: (value) => value.toISOString(),
  parseValue: (value) => {
    const date = typeof value === 'string' ? parseDateTime(value) : null;
    if (!date) throw badValue('a date-time such as 2026-01-31T12:00:00.000Z');
    return date;
  },
});
builder.scalarType('URL', {
  description: 'Absolute http(s) URL.',
  serialize: (value) => value,
  parseValue: (value) => {
    if (typeof value !== 'string' || !URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) throw badValue('an absolute http(s) URL');
    return value;
  },
});
builder.scalarType('JSON', { description: 'Any JSON value, kept and returned as it is.', serialize: (value) => value, parseValue: (value) => value });
builder.scalarType('EventCursor', {
  description: `Opaque position in the server's event log, the same for every reader. Valid for \`serverInfo.limits.eventRetentionSeconds\`.
Safe to store; send it back as \`after\` to continue exactly where you stopped.`,
  serialize: (value) => value,
  parseValue: (value) => {
    if (typeof value !== 'string') throw badValue('a cursor');
    return value;
  },
});

/** `Node` for types that are not declared through the Relay plugin's own helpers. */
export const Node = builder.nodeInterfaceRef();
