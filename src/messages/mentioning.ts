/** What is said of whom a message is for, checked: who they are, that they are not too many, and whether the whole chat may be called. */
import type { Accounts, UserRef } from '../accounts/accounts.ts';
import { must, type RoomRights, type Standing } from '../chats/access.ts';
import { invalid, notFound } from '../errors.ts';
import type { Named } from './mention-rows.ts';

/** As it was said. A reference that is null names nobody. */
export type GivenMentions = { users: readonly (UserRef | null)[]; all: 'EVERYONE' | 'HERE' | null };

/** People named in one message. */
export const mostMentions = 50;
/** One person may be named in more than one way. */
const mostReferences = 3 * mostMentions;

/** In the order given, each once. Throws VALIDATION_FAILED for too many, NOT_FOUND (User) when one of them does not exist. */
export async function getNamed(accounts: Pick<Accounts, 'getAll'>, { users }: GivenMentions): Promise<Named[]> {
  if (users.length === 0) return [];
  const tooMany = () => invalid(['mentions', 'users'], 'length', `A message names at most ${mostMentions} people.`);
  if (users.length > mostReferences) throw tooMany();
  if (users.includes(null)) throw notFound('User');
  const people = await accounts.getAll(users.filter((ref) => ref !== null));
  if (people.length > mostMentions) throw tooMany();
  return people.map(({ id, username }) => ({ id, writtenAs: username }));
}

export function checkNotInThread({ all }: GivenMentions, isInThread: boolean): void {
  if (all !== null && isInThread) throw invalid(['mentions', 'all'], 'thread', 'A thread calls nobody but by name.');
}

/** Throws VALIDATION_FAILED in a dialog, FORBIDDEN (MENTION_ALL) where the room does not give the right. The person may post there. */
export function mustMentionAll(standing: Standing & { rights: RoomRights }): void {
  if (standing.chat?.kind === 'DIALOG') throw invalid(['mentions', 'all'], 'dialog', 'A dialog has nobody else to call.');
  must('mentionAll', standing, 'Message');
}
