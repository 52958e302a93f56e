/** The shape of every mutation in schema.graphql: one input, one result union, errors as data. */
import type { FieldMap, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import { AppError, type ErrorCode } from '../errors.ts';
import { onBehalfOf } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { builder } from './builder.ts';
import { type Context, mustBeSignedIn } from './context.ts';
import { errorTypeName, errorTypes, toErrorData } from './errors.ts';

type Types = (typeof builder)['$inferSchemaTypes'];
type InputBuilder = PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>;

/** Who asks a mutation that anybody may ask, or only who is signed in. */
type Asker<Anonymous extends boolean> = Anonymous extends true ? Viewer | null : Viewer;

const failures = new WeakSet<object>();
/** So many people that are named count as one request. */
const namesAsOne = 10;

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
    resolve: (viewer: Asker<Anonymous>, input: InputShapeFromFields<Fields>, context: Context) => Promise<Payload>;
    payload: (t: PothosSchemaTypes.ObjectFieldBuilder<Types, Payload>) => FieldMap;
    payloadDescription?: string;
    /** Runs when nobody is signed in, before that is refused. */
    refused?: (context: Context) => void;
  },
): void {
  const pascal = name.charAt(0).toUpperCase() + name.slice(1);
  const input = options.input
    ? builder.inputType(`${pascal}Input`, {
        fields: options.input,
        description: options.inputDescription ?? `What \`${name}\` needs.`,
        ...(options.isOneOf ? { isOneOf: true } : {}),
      })
    : null;
  const payload = builder.objectRef<Payload>(`${pascal}Payload`).implement({ fields: options.payload, description: options.payloadDescription ?? `\`${name}\` was done.` });
  const possible: ObjectRef<Types, object>[] = [payload, ...options.errors.map((code) => errorTypes[code as keyof typeof errorTypes])];
  const result = builder.unionType(`${pascal}Result`, {
    description: `What \`${name}\` can answer.`,
    types: possible,
    resolveType: (value) => (failures.has(value) ? errorTypeName(value) : `${pascal}Payload`),
  });
  const inputOf = (args: object) => ((args as { input?: InputShapeFromFields<Fields> }).input ?? {}) as InputShapeFromFields<Fields>;
  const named = (args: object): number => options.names?.(inputOf(args)) ?? 0;
  builder.mutationField(name, (t) =>
    t.field({
      type: result,
      nullable: true,
      description: options.description,
      args: input ? { input: t.arg({ type: input, required: !options.optionalInput, description: 'What to do.' }) } : {},
      ...(options.names || options.answers ? { complexity: (args: object) => ({ field: 1 + named(args), multiplier: Math.max(1, options.answers?.(inputOf(args)) ?? 1) }) } : {}),
      resolve: async (_root, args, context) => {
        // The mutations of a document run one after the other, and this one must not answer with what an earlier one has read.
        context.loaders.clear();
        context.sharedLoaders.clear();
        context.viewer = context.asker;
        const viewer = options.anonymous ? context.viewer : await mustStillBeSignedIn(context, options.refused);
        try {
          // Counted here, so that aliases, batches and sockets count alike. Sending has a limit of its own.
          if (viewer && name !== 'sendMessage') await context.app.limits.takeMany('REQUESTS', 1 + Math.floor(named(args) / namesAsOne), viewer.userId);
          return await onBehalfOf(viewer?.userId ?? null, () => options.resolve(viewer as Asker<Anonymous>, inputOf(args), context));
        } catch (error) {
          if (!(error instanceof AppError) || !options.errors.includes(error.code)) throw error;
          context.app.metrics.refused(error.code);
          const data = toErrorData(error, context.app.config);
          failures.add(data);
          return data;
        }
      },
    }),
  );
}

/** Asks again, because an earlier mutation of the same document, or somebody else, may have ended the session. */
async function mustStillBeSignedIn(context: Context, refused?: (context: Context) => void): Promise<Viewer> {
  if (!context.viewer) refused?.(context);
  const viewer = mustBeSignedIn(context);
  if (!(await context.app.isLive(viewer))) throw new AppError('TOKEN_INVALID');
  return viewer;
}
