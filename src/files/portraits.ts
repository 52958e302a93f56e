/**
 * Pictures that issuers have of people: fetched by the same guarded way as pushes go, in the background, and set like one that its person has chosen. A picture is
 * no reason to keep anybody waiting, or to fail: what does not work is left out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Accounts } from '../accounts/accounts.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Ask } from '../outgoing.ts';
import type { Files } from './files.ts';
import type { Uploads } from './uploads.ts';

export type Portraits = ReturnType<typeof createPortraits>;

const answerWithinMs = 10_000;
const mostBytes = 2 * 1_048_576;
const atOnce = 4;
/** More are not remembered: they come with a later sign-in. */
const mostWaiting = 1_000;
const closeMs = 1_000;

export function createPortraits({
  ask,
  toPrivate,
  accounts,
  uploads,
  files,
  clock,
  log,
}: {
  ask: Ask;
  /** Whose picture an address is of may be anybody's say, also where the operator trusts the issuer with a private network. */
  toPrivate: boolean;
  accounts: Pick<Accounts, 'findMany'>;
  uploads: Pick<Uploads, 'reserve' | 'receive' | 'complete'>;
  files: Pick<Files, 'setProfilePicture'>;
  clock: () => Date;
  log: Log;
}) {
  const waiting = new Map<UserId, string>();
  const running = new Set<Promise<void>>();
  let stopping = false;
  return { want, close };

  /** Shows what is at this address beside somebody's name, unless there is a picture already. */
  function want(userId: UserId, address: string): void {
    if (stopping || waiting.size >= mostWaiting) return;
    waiting.set(userId, address);
    goOn();
  }

  function goOn(): void {
    for (const [userId, address] of waiting) {
      if (stopping || running.size >= atOnce) return;
      waiting.delete(userId);
      const job = take(userId, address)
        .catch((error: unknown) => log.info({ why: (error as Error).message }, 'the picture that an issuer has of somebody could not be taken'))
        .finally(() => {
          running.delete(job);
          goOn();
        });
      running.add(job);
    }
  }

  async function take(userId: UserId, address: string): Promise<void> {
    const { status, headers, body } = await ask(address, { headers: { accept: 'image/*' }, timeoutMs: answerWithinMs, mostBytes, allowPrivate: toPrivate });
    const contentType = headers['content-type']?.split(';')[0]?.trim() ?? '';
    if (status !== 200 || !contentType.startsWith('image/') || body.length === 0) throw new Error(`it is no picture (${status})`);
    if (stopping || !(await hasNone(userId))) return;
    const who = { userId };
    const { attachment } = await uploads.reserve(who, { fileName: 'picture', contentType, size: body.length, sha256: null });
    await uploads.receive({ kind: 'upload', id: attachment.id, expiresAt: clock(), sha256: null }, oneOf(body), body.length);
    await uploads.complete(who, attachment.id);
    // Somebody may have chosen one meanwhile.
    if (await hasNone(userId)) await files.setProfilePicture(who, attachment.id);
  }

  async function hasNone(userId: UserId): Promise<boolean> {
    const [user] = await accounts.findMany([userId]);
    return user?.avatarId === null && user.deletedAt === null;
  }

  /** What only waits for somebody's answer is given up. */
  async function close(): Promise<void> {
    stopping = true;
    waiting.clear();
    await Promise.race([Promise.all(running), sleep(closeMs, undefined, { ref: false })]);
  }
}

async function* oneOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
