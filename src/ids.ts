/**
 * Ids: the numbers of rows, each of its kind, and how clients see them: base64 of the type and the row's key. Opaque, stable, and refused by one regular
 * expression when they are garbage.
 */

declare const of: unique symbol;
/** A number that cannot be given where another kind's is wanted. Numbers become ids at the borders: in the types of rows, and where a client's ids are parsed. */
type Id<Kind extends string> = number & { readonly [of]: Kind };
export type UserId = Id<'User'>;
export type ChatId = Id<'Chat'>;
/** Also of the notification of a message: it has the message's number. */
export type MessageId = Id<'Message'>;
export type SessionId = Id<'Session'>;
export type AttachmentId = Id<'Attachment'>;
export type PushDeviceId = Id<'PushDevice'>;

/** No row has the number 0: of nobody, of a dialog that is stored nowhere yet, of no file. */
export const noUser = 0 as UserId;
export const noChat = 0 as ChatId;
export const noAttachment = 0 as AttachmentId;

/** A message's id out of the database: large numbers come in another form from some engines. */
export const toMessageId = (stored: MessageId | bigint | string): MessageId => Number(stored) as MessageId;

/** A person in a chat, as the key of a map or a loader, and back. */
export const placeKey = ({ chatId, userId }: { chatId: ChatId; userId: UserId }): string => `${chatId} ${userId}`;
export function placeOf(key: string): { chatId: ChatId; userId: UserId } {
  const [chatId, userId] = key.split(' ').map(Number) as [ChatId, UserId];
  return { chatId, userId };
}

/** How the types of the API are numbered. */
export type NumberOf = {
  User: UserId;
  Chat: ChatId;
  Room: ChatId;
  Message: MessageId;
  /** The number of the message it hangs under. */
  Thread: MessageId;
  Notification: MessageId;
  Session: SessionId;
  Attachment: AttachmentId;
  PushDevice: PushDeviceId;
};

/** What is behind the type in an id: a number, or several with dots between them. */
type KeyOf = NumberOf & { Image: AttachmentId; Dialog: string; Member: string };

export const toGlobalId = <Type extends keyof KeyOf>(type: Type, key: KeyOf[Type]): string => btoa(`${type}:${key}`);

/** The type and key an id names; null for anything that is not an id. */
export function parseGlobalId(id: string): { type: string; key: string } | null {
  if (!/^[A-Za-z0-9+/]{4,86}={0,2}$/.test(id)) return null;
  const [, type, key] = /^([A-Z][A-Za-z]+):((?:0|[1-9]\d{0,14})(?:\.(?:0|[1-9]\d{0,14})){0,2})$/.exec(Buffer.from(id, 'base64').toString('latin1')) ?? [];
  return type && key ? { type, key } : null;
}

const bigTypes: ReadonlySet<keyof NumberOf> = new Set(['Message', 'Thread', 'Notification']);

/** The numeric key of an id of this type, or null. 2^31 - 1 is the largest key of all tables but messages and events. */
export function numberOf<Type extends keyof NumberOf>(id: string, type: Type): NumberOf[Type] | null {
  const parsed = parseGlobalId(id);
  if (parsed?.type !== type || parsed.key.includes('.')) return null;
  const key = Number(parsed.key);
  return key <= (bigTypes.has(type) ? Number.MAX_SAFE_INTEGER : 2 ** 31 - 1) ? (key as NumberOf[Type]) : null;
}

/** The keys of an id made of several, or null: a dialog's two people; a member's room and person, or dialog and which of its people. */
export function keysOf(id: string, type: 'Dialog'): [UserId, UserId] | null;
export function keysOf(id: string, type: 'Member'): [ChatId, UserId] | [UserId, UserId, UserId] | null;
export function keysOf(id: string, type: 'Dialog' | 'Member'): number[] | null {
  const parsed = parseGlobalId(id);
  if (parsed?.type !== type) return null;
  const keys = parsed.key.split('.').map(Number);
  return (keys.length === 2 || (keys.length === 3 && type === 'Member')) && keys.every((key) => key < 2 ** 31) ? keys : null;
}
