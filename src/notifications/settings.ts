/** What notifies an account where a chat says nothing else, how much a Web Push tells, and until when there is none. */
import type { Level } from '../chats/levels.ts';
import { checkFuture } from '../chats/views.ts';
import { createProblems } from '../errors.ts';
import type { Append, WriteBatch } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { mustLockAccount } from '../storage/locks.ts';
import { oneOfList, toDateOrNull } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';

export type NotificationSettingsDomain = ReturnType<typeof createNotificationSettings>;
export const pushContents = ['FULL', 'SENDER', 'NOTHING'] as const;
export type PushContent = (typeof pushContents)[number];
/** `pausedUntil` is null when it is over. */
export type NotificationSettings = { roomLevel: Level; pushContent: PushContent; pausedUntil: Date | null };
/** Absent or undefined: stays as it is. Null ends the pause; the others cannot be null. */
export type SettingsChanges = { [Name in keyof NotificationSettings]?: NotificationSettings[Name] | null };

const first: NotificationSettings = { roomLevel: 'ALL', pushContent: 'FULL', pausedUntil: null };

export function createNotificationSettings({ db, writeBatch, clock }: { db: Database; writeBatch: WriteBatch; clock: () => Date }) {
  return { of, update, eraseAll };

  /** In the order of the people. */
  async function of(userIds: readonly UserId[]): Promise<NotificationSettings[]> {
    const now = clock();
    const rows = await db.sql.all<NotificationSettings & { userId: UserId }>(
      `SELECT "userId", "roomLevel", "pushContent", "pausedUntil" FROM "NotificationSettings" WHERE ${oneOfList(db.engine, '"userId"')}`,
      [userIds],
    );
    const byUser = new Map(
      rows.map(({ userId, roomLevel, pushContent, ...row }) => {
        const pausedUntil = toDateOrNull(row.pausedUntil);
        return [userId, { roomLevel, pushContent, pausedUntil: pausedUntil && pausedUntil > now ? pausedUntil : null }];
      }),
    );
    return userIds.map((id) => byUser.get(id) ?? first);
  }

  /** Fails with VALIDATION_FAILED. */
  async function update({ userId }: Viewer, changes: SettingsChanges): Promise<void> {
    const problems = createProblems();
    for (const field of ['roomLevel', 'pushContent'] as const) if (changes[field] === null) problems.add(field, 'required', 'This cannot be empty.');
    if (changes.pausedUntil) checkFuture(problems, 'pausedUntil', changes.pausedUntil, clock());
    problems.check();
    await writeBatch(async (sql, number) => {
      await mustLockAccount(sql, userId);
      const [row] = await sql.all<NotificationSettings>('SELECT "roomLevel", "pushContent", "pausedUntil" FROM "NotificationSettings" WHERE "userId" = ?', [userId]);
      const before = row ? { ...row, pausedUntil: toDateOrNull(row.pausedUntil) } : first;
      const roomLevel = changes.roomLevel ?? before.roomLevel;
      const pushContent = changes.pushContent ?? before.pushContent;
      const pausedUntil = changes.pausedUntil === undefined ? before.pausedUntil : changes.pausedUntil;
      if (roomLevel === before.roomLevel && pushContent === before.pushContent && pausedUntil?.getTime() === before.pausedUntil?.getTime()) return;
      await sql.all(
        `INSERT INTO "NotificationSettings" ("userId", "roomLevel", "pushContent", "pausedUntil") VALUES (?, ?, ?, ?)
         ON CONFLICT ("userId") DO UPDATE SET "roomLevel" = excluded."roomLevel", "pushContent" = excluded."pushContent", "pausedUntil" = excluded."pausedUntil"`,
        [userId, roomLevel, pushContent, pausedUntil],
      );
      await number([{ type: 'account-changed', userId }]);
    });
  }

  async function eraseAll(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.notificationSettings.deleteMany({ where: { userId } });
  }
}
