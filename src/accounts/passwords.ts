/** Hashing and checking passwords of accounts and rooms with argon2id, a few at a time, and what a good password is. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import argon2 from 'argon2';
import type { Config } from '../config.ts';
import { AppError, type Problems } from '../errors.ts';
import { isCommonPassword } from './common-passwords.ts';
import { codePoints, foldName } from './names.ts';
import { createPasswordQueue, type Turn } from './password-queue.ts';
import type { Guess } from './rate-limits.ts';

export type Passwords = ReturnType<typeof createPasswords>;

const most = 128;
/** More UTF-16 units than any password that could have been set, however it was composed before NFC. */
const longestInput = 4 * most;

export function createPasswords({ config }: { config: Pick<Config, 'ARGON2_MEMORY_KIB' | 'ARGON2_PASSES' | 'PASSWORD_QUEUE'> }) {
  const cost = { memoryCost: config.ARGON2_MEMORY_KIB, timeCost: config.ARGON2_PASSES, parallelism: 1 };
  // argon2 works on libuv's four threads: one is left to files and name look-ups.
  const queue = createPasswordQueue(Math.max(1, Math.min(availableParallelism(), 3)), config.PASSWORD_QUEUE);
  const nobodysHash = hashOfNothing(cost);
  return { hash, verify, isOutdated };

  /** The hash to store. NFC, never trimmed. Fails with UNAVAILABLE when too many are waiting. */
  async function hash(password: string, turn: Turn): Promise<string> {
    return queue.run(turn, () => argon2.hash(password.normalize('NFC'), { ...cost, type: argon2.argon2id }));
  }

  /**
   * Whether this is the password. Null (no such account) takes as long as a wrong one. A wrong one is counted by `guess`, and nothing else is.
   * Fails with RATE_LIMITED after too many wrong ones, and with UNAVAILABLE when too many are waiting.
   */
  async function verify(stored: string | null, password: string, turn: Turn, guess: Guess): Promise<boolean> {
    const possible = password.length <= longestInput;
    await guess.check();
    // Others may have guessed wrong while this one waited.
    return queue.run(turn, () =>
      guess.attempt(async () => {
        const matches = await argon2.verify(stored || nobodysHash, possible ? password.normalize('NFC') : '');
        return matches && possible && Boolean(stored);
      }),
    );
  }

  /** Whether the hash was made at another cost than the settings ask for. */
  function isOutdated(stored: string): boolean {
    return argon2.needsRehash(stored, cost);
  }
}

/** A hash that no password has, as text (PHC string format): hashing something would cost a start its 19 MB. Checking a password against it takes as long as against any other. */
export function hashOfNothing({ memoryCost, timeCost, parallelism }: { memoryCost: number; timeCost: number; parallelism: number }): string {
  const [salt, hash] = [16, 32].map((length) => randomBytes(length).toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=${parallelism}$${salt}$${hash}`;
}

/** Throws FORBIDDEN where no password signs anybody in. */
export function mustAllowPasswords({ PASSWORD_LOGIN }: Pick<Config, 'PASSWORD_LOGIN'>): void {
  if (!PASSWORD_LOGIN) throw new AppError('FORBIDDEN', { forbiddenReason: 'PASSWORD_LOGIN_OFF' }, 'No password signs anybody in here.');
}

/** An account's password: 8 to 128 code points of any kind, not one of the commonest, not the username. Its confirmation, when given, must be the same. */
export function checkPassword(problems: Problems, path: string, password: string, username: string, confirmation: string | null | undefined): void {
  const length = lengthOf(password);
  if (!password.isWellFormed()) problems.add(path, 'characters', 'A password must be well-formed Unicode.');
  else if (length < 8 || length > most) problems.add(path, 'length', `A password has 8 to ${most} characters.`);
  else if (foldName(password) === foldName(username.slice(0, longestInput))) problems.add(path, 'same-as-username', 'The password must not be the username.');
  else if (isCommonPassword(password)) problems.add(path, 'common', 'This password is one of the first that somebody would try.');
  if (confirmation != null && confirmation !== password && (confirmation.length > longestInput || confirmation.normalize('NFC') !== password.normalize('NFC')))
    problems.add(`${path}Confirmation`, 'same', 'The two passwords are not the same.');
}

/** A room's password: 1 to 128 code points. It is told to people, so it need not be strong. */
export function checkRoomPassword(problems: Problems, path: string, password: string): void {
  const length = lengthOf(password);
  if (!password.isWellFormed()) problems.add(path, 'characters', 'A password must be well-formed Unicode.');
  else if (length < 1 || length > most) problems.add(path, 'length', `A password has 1 to ${most} characters.`);
}

const lengthOf = (password: string): number => (password.length <= longestInput ? codePoints(password.normalize('NFC')) : Number.POSITIVE_INFINITY);
