/** Ids of one kind are not taken for another's: by the types, which `npm run check` looks at, and in what clients send. */
import { expect, it } from 'vitest';
import type { App } from '../src/app.ts';
import { type ChatId, keysOf, type MessageId, noChat, noUser, numberOf, placeKey, placeOf, toGlobalId, toMessageId, type UserId } from '../src/ids.ts';
import { type Pair, pairOf } from '../src/storage/dialogs.ts';
import type { ChatRow, MemberRow, MessageRow, UserRow } from '../src/storage/rows.ts';

/** Never called: each line below the word would be an error if it were none. */
void (({ chats, messages, accounts }: App, user: UserRow, chat: ChatRow, member: MemberRow, message: MessageRow): void => {
  void chats.findRows([chat.id, member.chatId, message.chatId]);
  // @ts-expect-error a user's id for a chat's
  void chats.findRows([user.id]);
  // @ts-expect-error a plain number for an id
  void chats.findRows([1]);
  void accounts.findMany([user.id, member.userId, message.senderId]);
  // @ts-expect-error a message's id for a user's
  void accounts.findMany([message.id]);
  // @ts-expect-error a place in a chat for a message's id
  void messages.findRows([message.seq]);
  // @ts-expect-error the person and the chat changed over
  void chats.findMembers([{ chatId: member.userId, userId: member.chatId }]);
  // @ts-expect-error of two ids
  pairOf(user.id, chat.id);
  const { avatarId } = chat;
  // @ts-expect-error a picture for a room
  if (avatarId) void chats.findRows([avatarId]);
  // @ts-expect-error the id of another type
  toGlobalId('Room', user.id);
  // @ts-expect-error what a client sent as a room
  const parsed: UserId | null = numberOf('', 'Room');
  void parsed;
  // @ts-expect-error plain numbers
  const pair: Pair = { low: 1, high: 2 };
  void pair;
  // Ids are numbers where numbers are wanted.
  const number: number = chat.id + 1;
  void number;
});

it('reads the ids it has written, and takes none for one of another type', () => {
  const [ada, room, text] = [7 as UserId, 8 as ChatId, (2 ** 40) as MessageId];
  expect(numberOf(toGlobalId('User', ada), 'User')).toBe(ada);
  expect(numberOf(toGlobalId('User', ada), 'Room')).toBeNull();
  expect(numberOf(toGlobalId('Message', text), 'Message')).toBe(text);
  expect(numberOf(toGlobalId('Notification', text), 'Message')).toBeNull();
  expect(numberOf(toGlobalId('Member', `${room}.${ada}`), 'Room')).toBeNull();
  expect(keysOf(toGlobalId('Dialog', `${ada}.${ada}`), 'Dialog')).toEqual([ada, ada]);
  expect(keysOf(toGlobalId('Dialog', '7.8.7'), 'Dialog')).toBeNull();
  expect(keysOf(toGlobalId('Member', `${room}.${ada}`), 'Member')).toEqual([room, ada]);
  expect(keysOf(toGlobalId('Member', '7.8.7'), 'Member')).toEqual([7, 8, 7]);
  expect(keysOf(toGlobalId('Member', `7.${2 ** 31}`), 'Member')).toBeNull();
});

it('keeps what stands for nothing, places, pairs and large numbers as they are', () => {
  expect([noUser, noChat]).toEqual([0, 0]);
  expect(placeOf(placeKey({ chatId: 8 as ChatId, userId: 7 as UserId }))).toEqual({ chatId: 8, userId: 7 });
  expect(pairOf(9 as UserId, 7 as UserId)).toEqual({ low: 7, high: 9 });
  expect([toMessageId('1099511627776'), toMessageId(1099511627776n)]).toEqual([2 ** 40, 2 ** 40]);
});
