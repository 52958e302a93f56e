/** What went wrong, in a sentence for people. The server's own sentence is the last resort: it is English. */
import { Refused } from '../ask.ts';
import type { ErrorCode, Failure } from '../state/types.ts';
import { texts } from './texts.ts';

/** Whether a mutation answered with one of its errors (or with nothing, which comes with a refusal of the whole). */
export const isFailure = <Result extends { __typename: string }>(result: Result): result is Extract<Result, { code: ErrorCode }> => 'code' in result;

/** A sentence for a failure, for a code, or for whatever was thrown. */
export function sentenceOf(problem: Failure | { code: string; errorMessage?: string } | unknown): string {
  const { errors, problems } = texts.value;
  if (problem instanceof Refused)
    return problem.code === 'RATE_LIMITED' ? waitFor(Number(problem.extensions.retryAfterMs)) : (errors[problem.code as ErrorCode] ?? problem.message);
  if (!isObject(problem) || !('code' in problem)) return problems.offline;
  const failure = problem as Failure;
  switch (failure.__typename) {
    case 'ValidationError':
      return failure.fields[0] ? sentenceOfField(failure.fields[0]) : errors.VALIDATION_FAILED;
    case 'AlreadyTakenError':
      return { username: problems.usernameTaken, email: problems.emailTaken, link: problems.linkTaken }[failure.field] ?? errors.ALREADY_TAKEN;
    case 'ConflictError':
      return (
        { LAST_OWNER: problems.lastOwner, VERSION_MISMATCH: problems.versionMismatch, CLIENT_MESSAGE_ID_REUSED: problems.sentBefore, LAST_WAY_IN: problems.lastWayIn }[
          failure.conflictReason
        ] ?? errors.CONFLICT
      );
    case 'ForbiddenError':
      return (
        {
          NOT_A_MEMBER: problems.notAMember,
          ROLE_TOO_LOW: problems.roleTooLow,
          NOT_THE_AUTHOR: problems.notTheAuthor,
          BANNED: problems.banned,
          EVERYONE_ROOM: problems.everyoneRoom,
          MENTION_ALL: problems.mentionAll,
          NOT_AN_OPERATOR: problems.notAnOperator,
          REGISTRATION_OFF: problems.registrationOff,
          PASSWORD_LOGIN_OFF: problems.passwordLoginOff,
        }[failure.forbiddenReason] ?? errors.FORBIDDEN
      );
    case 'RateLimitedError':
      return waitFor(failure.retryAfterMs);
    case 'RoomFullError':
      return problems.full(failure.roomCapacity);
    default:
      return errors[failure.code as ErrorCode] ?? failure.errorMessage;
  }
}

/** The sentence beside each field that does not fit, by the last word of its path. */
export function fieldSentences(failure: Failure | null): Record<string, string> {
  if (failure?.__typename === 'AlreadyTakenError') return { [failure.field]: sentenceOf(failure) };
  if (failure?.__typename !== 'ValidationError') return {};
  return Object.fromEntries(failure.fields.map((field) => [field.path.at(-1) ?? '', sentenceOfField(field)]));
}

function sentenceOfField({ path, rule, message }: { path: readonly string[]; rule: string; message: string }): string {
  const { rules }: { rules?: Record<string, string> } = texts.value;
  // They come with the forms; before that there is the server's own, in English as these.
  return rules?.[`${path.at(-1)}.${rule}`] ?? rules?.[rule] ?? message;
}

function waitFor(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return seconds < 90 ? texts.value.problems.waitSeconds(seconds) : texts.value.problems.waitMinutes(Math.ceil(seconds / 60));
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
