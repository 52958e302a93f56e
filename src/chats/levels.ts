/** What of a chat notifies its members: their own word for the chat, or else their default; nothing while it is muted. */

export const levels = ['ALL', 'MENTIONS', 'NOTHING'] as const;
export type Level = (typeof levels)[number];

/** What of a chat `c` notifies a member `b` who has not muted it: in a statement with `joinLevel`. */
export const unmutedText = `COALESCE(v."level", CASE WHEN c."kind" = 'DIALOG' THEN 'ALL' ELSE COALESCE(s."roomLevel", 'ALL') END)`;
/** And at a time, which is its parameter. */
export const levelText = `CASE WHEN v."mutedUntil" > ? THEN 'NOTHING' ELSE ${unmutedText} END`;
export const joinLevel = 'LEFT JOIN "ChatView" v ON v."chatId" = b."chatId" AND v."userId" = b."userId" LEFT JOIN "NotificationSettings" s ON s."userId" = b."userId"';

/** Why a message notifies somebody; the later ones are the stronger. */
export const reasons = ['MESSAGE', 'THREAD_REPLY', 'HERE', 'EVERYONE', 'REPLY', 'MENTION'] as const;
export type Reason = (typeof reasons)[number];

/** Whether a message notifies at this level. HERE is for who is there anyway. */
export const notifies = (level: Level, reason: Reason): boolean => level === 'ALL' || (level === 'MENTIONS' && reason !== 'MESSAGE' && reason !== 'HERE');
/** Whether the level alone decides, and how; null where it depends on the reason. */
export const notifiesWhatever = (level: Level): boolean | null => (level === 'MENTIONS' ? null : level === 'ALL');
