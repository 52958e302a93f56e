/** What an operation came to, in a few words, so that a test can hold many rules side by side. */
import { readFileSync } from 'node:fs';
import { type Answer, type Person, request, type Untyped } from './person.ts';

/** Who asks: a person, or nobody. */
export type Asker = Pick<Person, 'request'>;

/** Somebody without a session. */
export const nobody = (server: { url: string }): Asker => ({ request: (document, variables) => request(server, document, variables) });

/** Whoever holds this access token. */
export const bearer = (server: { url: string }, token: string): Asker => ({
  request: (document, variables) => request(server, document, variables, { authorization: `Bearer ${token}` }),
});

const details = `code errorMessage httpStatus ... on ValidationError { fields { path rule message } } ... on AlreadyTakenError { field } ... on InvalidCredentialsError { credentialFailure }
  ... on InvalidTokenError { tokenFailure } ... on NotFoundError { typeName } ... on ForbiddenError { forbiddenReason } ... on ConflictError { conflictReason } ... on RoomFullError { roomCapacity }`;
const neverFail = ['logout', 'removeContacts', 'reportActivity'];

/** Runs one mutation. Answers its payload, with what `select` asks of it, or its error with all that errors carry. Fails when the whole operation was refused. */
export async function change(who: Asker, name: string, input: Untyped, select = '__typename'): Promise<Untyped> {
  const { data, errors } = await who.request(...mutationOf(name, input, select));
  if (errors || !data?.[name]) throw new Error(`${name}: ${JSON.stringify(errors ?? data)}`);
  return data[name] as Untyped;
}

/** What one mutation came to: `done`, or a code and its detail, as `NOT_FOUND Room`; with `top: ` in front when the whole operation was refused. */
export async function outcome(who: Asker, name: string, input: Untyped): Promise<string> {
  const { data, errors } = await who.request(...mutationOf(name, input));
  if (errors) return refusalOf(errors);
  const result = data?.[name] as Untyped;
  return result.__typename.endsWith('Payload') ? 'done' : inWords(result);
}

/** The first field of a query. Fails when there are errors. */
export async function read(who: Asker, document: string, variables: Untyped = {}): Promise<Untyped> {
  const { data, errors } = await who.request(document, variables);
  if (errors || !data) throw new Error(`${document}: ${JSON.stringify(errors ?? data)}`);
  return Object.values(data)[0] as Untyped;
}

/** What a query that may be refused came to: `there`, `null`, or the code and detail of the first error, as `top: FORBIDDEN NOT_A_MEMBER`. */
export async function sight(who: Asker, document: string, variables: Untyped = {}): Promise<string> {
  const { data, errors } = await who.request(document, variables);
  if (errors) return refusalOf(errors);
  return Object.values(data ?? {})[0] === null ? 'null' : 'there';
}

/** One of the operations of test/contract/operations.graphql. */
export function operation(name: string): string {
  const found = operations.split(/\n(?=(?:query|mutation|subscription) )/).find((text) => new RegExp(`^\\w+ ${name}\\b`).test(text));
  if (!found) throw new Error(`there is no operation ${name}`);
  return found;
}
const operations = readFileSync(new URL('../contract/operations.graphql', import.meta.url), 'utf8');

function mutationOf(name: string, input: Untyped, select = '__typename'): [document: string, variables: Untyped] {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const failure = neverFail.includes(name) ? '' : `... on UserError { ${details} }`;
  if (name === 'reportActivity') return [`mutation { ${name} { __typename ... on ${type}Payload { ${select} } } }`, {}];
  return [
    `mutation ($input: ${type}Input${name === 'logout' || name === 'revokeOtherSessions' ? '' : '!'}) { ${name}(input: $input) { __typename ... on ${type}Payload { ${select} } ${failure} } }`,
    { input },
  ];
}

const refusalOf = (errors: NonNullable<Answer<unknown>['errors']>): string => `top: ${inWords(errors[0]?.extensions ?? {})}`;

function inWords(error: Untyped): string {
  const { fields, field, credentialFailure, tokenFailure, typeName, forbiddenReason, conflictReason, roomCapacity } = error;
  const detail =
    fields?.map(({ path, rule }: Untyped) => `${path.join('.')} ${rule}`).join(', ') ??
    field ??
    credentialFailure ??
    tokenFailure ??
    typeName ??
    forbiddenReason ??
    conflictReason ??
    roomCapacity;
  return [error.code, detail].filter((part) => part !== undefined).join(' ');
}
