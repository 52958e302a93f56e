/** The shape of every mutation in schema.graphql: one input, one result union, errors as data. */
import type { FieldMap, InputFieldMap, InputShapeFromFields } from '@pothos/core';
import { AppError, type ErrorCode } from '../errors.ts';
import { onBehalfOf } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { builder } from './builder.ts';
import { type Context, mustBeSignedIn } from './context.ts';
import { errorTypeName, errorTypes, toErrorData } from './errors.ts';

type Types = (typeof builder)['$inferSchemaTypes'];
type InputBuilder = PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>;

const failures = new WeakSet<object>();
/** So many people that are named count as one request. */
const namesAsOne = 10;
const inputOf = (args: object): never => ((args as { input?: unknown }).input ?? {}) as never;

/**
 * Declares XInput, XPayload, XResult and the nullable root field x. An AppError whose code is in `errors` is answered as data, any other goes to the
 * top-level list. `anonymous` mutations get the viewer or null; all others require one.
 */
export function mutation<Fields extends InputFieldMap, Payload extends object, Anonymous extends boolean = false>(
  name: string,
  options: {
    description: string;
    errors: readonly ErrorCode[];
    /** Absent: the field has no argument. */
    input?: (t: InputBuilder) => Fields;
    inputDescription?: string;
    /** The input may be left out. */
    optionalInput?: boolean;
    isOneOf?: boolean;
    anonymous?: Anonymous;
    /** How many people the input names. The mutation weighs so much, and counts as more than one request. */
    names?: (input: InputShapeFromFields<Fields>) => number;
    /** How many items the lists of the answer can have. Each of these lists is declared to weigh one itself. */
    answers?: (input: InputShapeFromFields<Fields>) => number;
    resolve: (viewer: Anonymous extends true ? Viewer | null : Viewer, input: InputShapeFromFields<Fields>, context: Context) => Promise<Payload>;
    payload: (t: PothosSchemaTypes.ObjectFieldBuilder<Types, Payload>) => FieldMap;
    payloadDescription?: string;
    /** What is to be done all the same when nobody is signed in. */
    refused?: (context: Context) => void;
  },
): void {
  const pascal = name.charAt(0).toUpperCase() + name.slice(1);
  const input = options.input
    ? builder.inputType(`${pascal}Input`, {
        fields: options.input as never,
        description: options.inputDescription ?? `What \`${name}\` needs.`,
        ...(options.isOneOf ? { isOneOf: true } : {}),
      } as never)
    : null;
  const payload = builder
    .objectRef<Payload>(`${pascal}Payload`)
    .implement({ fields: options.payload as never, description: options.payloadDescription ?? `\`${name}\` was done.` });
  const result = builder.unionType(`${pascal}Result`, {
    description: `What \`${name}\` can answer.`,
    types: [payload, ...options.errors.map((code) => errorTypes[code as keyof typeof errorTypes])] as never[],
    resolveType: (value: object) => (failures.has(value) ? errorTypeName(value) : `${pascal}Payload`),
  });
  builder.mutationField(name, (t) =>
    t.field({
      type: result as never,
      nullable: true,
      description: options.description,
      args: input ? { input: t.arg({ type: input as never, required: !options.optionalInput, description: 'What to do.' }) } : {},
      ...(options.names || options.answers
        ? { complexity: (args: object) => ({ field: 1 + (options.names?.(inputOf(args)) ?? 0), multiplier: Math.max(1, options.answers?.(inputOf(args)) ?? 1) }) }
        : {}),
      resolve: async (_root, args, context) => {
        // The mutations of a document run one after the other: this one must not answer with what an earlier one read.
        context.loaders.clear();
        context.sharedLoaders.clear();
        context.viewer = context.asker;
        const viewer = options.anonymous ? context.viewer : await mustStillBeSignedIn(context, options.refused);
        try {
          // Here, so that aliases, batches and sockets all count alike. Sending has a limit of its own.
          if (viewer && name !== 'sendMessage') await context.app.limits.takeMany('REQUESTS', 1 + Math.floor((options.names?.(inputOf(args)) ?? 0) / namesAsOne), viewer.userId);
          return (await onBehalfOf(viewer?.userId ?? null, () => options.resolve(viewer as never, inputOf(args), context))) as never;
        } catch (error) {
          if (!(error instanceof AppError) || !options.errors.includes(error.code)) throw error;
          context.app.metrics.refused(error.code);
          const data = toErrorData(error, context.app.config);
          failures.add(data);
          return data as never;
        }
      },
    }),
  );
}

/** Also when an earlier mutation of the same document, or somebody else meanwhile, has ended the session. */
async function mustStillBeSignedIn(context: Context, refused?: (context: Context) => void): Promise<Viewer> {
  if (!context.viewer) refused?.(context);
  const viewer = mustBeSignedIn(context);
  if (!(await context.app.isLive(viewer))) throw new AppError('TOKEN_INVALID');
  return viewer;
}
