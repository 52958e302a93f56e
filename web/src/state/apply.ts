/**
 * The one reducer: a state and an item of `events` make the next state. Its law: what was read before, with the items since, equals a fresh read.
 * An item that the state already shows may come again.
 */
import { chatOf, markedAs, quotedAs, sendersOf, toMember, toNotification, toQuote, toThread, withMessages, withPart, withPartOf, withPeople, withReactions } from './merge.ts';
import type { Chat, My, Notification, State } from './state.ts';
import type { Item } from './types.ts';

export function apply(state: State, item: Item): State {
  const next = step(state, item);
  return 'cursor' in item && next.cursor !== item.cursor ? { ...next, cursor: item.cursor } : next;
}

function step(state: State, item: Item): State {
  switch (item.__typename) {
    case 'MessageAdded':
    case 'MessageEdited':
    case 'MessageDeleted': {
      const { chat: place, threadRoot, ...message } = item.message;
      const told = withPeople(message.deletedAt ? forget(state, ({ messageId }) => messageId === message.id) : state, sendersOf([message]));
      return change(told, place.id, (chat) => {
        const moved: Chat = {
          ...chat,
          lastSeq: Math.max(chat.lastSeq, place.lastSeq),
          lastActivityAt: place.lastActivityAt > chat.lastActivityAt ? place.lastActivityAt : chat.lastActivityAt,
          my: chat.my && place.my ? { ...chat.my, ...place.my } : chat.my,
        };
        // Of the others that are not loaded nothing is kept: they would be islands.
        const shown = item.__typename === 'MessageAdded' || chat.messages.has(message.seq) ? withMessages(moved, [message]) : moved;
        const rooted = threadRoot ? withPartOf(shown, threadRoot.seq, { thread: toThread(threadRoot.thread) }) : shown;
        return item.__typename === 'MessageAdded' ? rooted : quotedAs(rooted, toQuote(message));
      });
    }
    case 'ReactionsChanged':
      return withReactions(state, item.message);
    case 'PinsChanged': {
      const { seq, chat: place, pin } = item.message;
      return withPart(state, place.id, seq, { pin });
    }
    case 'SavedMessagesChanged': {
      // What cannot be read any more is not shown either.
      const message = item.savedMessage;
      return message ? withPart(state, message.chat.id, message.seq, { saved: message.saved }) : state;
    }
    case 'MyThreadChanged': {
      const { rootSeq, chat: place, ...thread } = item.thread;
      return change(state, place.id, (chat) => withPartOf(place.my ? { ...chat, my: place.my } : chat, rootSeq, { thread: toThread(thread) }));
    }
    case 'MessageStatusChanged':
      return change(state, item.chat.id, (chat) => markedAs(chat, item.user.id, item.upToSeq, item.status === 'READ' ? item.upToSeq : 0));
    case 'MyChatChanged': {
      const { id, my } = item.chat;
      if (!my) return state;
      const seen = markNotifications(state, ({ chatId, seq }) => chatId === id && seq <= my.readSeq);
      return change(seen, id, (chat) => ({ ...markedAs(chat, state.meId, my.deliveredSeq, my.readSeq), my }));
    }
    case 'ChatAdded': {
      const known = state.chats.get(item.chat.id);
      // What was looked at from outside was not followed.
      const { chat, people } = chatOf(item.chat, known?.my ? known : undefined);
      return withPeople(put(state, chat), people);
    }
    case 'ChatUpdated': {
      const known = state.chats.get(item.chat.id);
      if (!known) return state;
      const { chat, people } = chatOf(item.chat, known);
      return withPeople(put(state, chat), people);
    }
    case 'ChatRemoved': {
      const chats = new Map(state.chats);
      chats.delete(item.chatId);
      return forget({ ...state, chats }, ({ chatId }) => chatId === item.chatId);
    }
    case 'MemberJoined':
    case 'MemberUpdated': {
      const { user } = item.member;
      return change(withPeople(state, [user]), item.room.id, (chat) => ({
        ...chat,
        memberCount: item.room.memberCount,
        members: new Map(chat.members).set(user.id, toMember(item.member)),
        my: chat.my && user.id === state.meId ? { ...chat.my, role: item.member.role } : chat.my,
      }));
    }
    case 'MemberLeft':
      return change(state, item.room.id, (chat) => {
        const members = new Map(chat.members);
        members.delete(item.user.id);
        return { ...chat, members, memberCount: item.room.memberCount };
      });
    case 'UserUpdated':
      return withPeople(state, [item.user]);
    case 'AccountChanged': {
      const { account, ...person } = item.me;
      if (!account) return state;
      const { contacts, ...parts } = account;
      const told = withRoomLevel(state, parts.notificationSettings.roomLevel);
      return withPeople({ ...told, account: { ...parts, contactIds: contacts.nodes.map(({ id }) => id) }, noticesAreOld: true }, [person, ...contacts.nodes]);
    }
    case 'NotificationAdded': {
      const added = toNotification(item.notification);
      const notifications = new Map(state.notifications).set(added.id, added);
      return withPeople({ ...state, notifications }, item.notification.actor ? [item.notification.actor] : []);
    }
    case 'NotificationsRead': {
      const ids = item.notificationIds && new Set(item.notificationIds);
      const older = ids ? state.olderUnread - [...ids].filter((id) => !state.notifications.has(id)).length : 0;
      return { ...markNotifications(state, ({ id }) => ids?.has(id) ?? true), olderUnread: Math.max(0, older) };
    }
    // Heartbeats and the like, what passes (presence, typing), and what newer servers have.
    default:
      return state;
  }
}

/** What rooms notify of that have no level of their own. */
function withRoomLevel(state: State, notificationLevel: My['notificationLevel']): State {
  if (state.account.notificationSettings.roomLevel === notificationLevel) return state;
  const changed = [...state.chats.values()].flatMap((chat) =>
    chat.__typename === 'Room' && chat.my?.ownNotificationLevel === null ? [{ ...chat, my: { ...chat.my, notificationLevel } }] : [],
  );
  return changed.length === 0 ? state : { ...state, chats: new Map([...state.chats, ...changed.map((chat) => [chat.id, chat] as const)]) };
}

function put(state: State, chat: Chat): State {
  return { ...state, chats: new Map(state.chats).set(chat.id, chat) };
}

function change(state: State, chatId: string, how: (chat: Chat) => Chat): State {
  const chat = state.chats.get(chatId);
  return chat ? put(state, how(chat)) : state;
}

function forget(state: State, isGone: (notification: Notification) => boolean): State {
  const gone = [...state.notifications.values()].filter(isGone);
  if (gone.length === 0) return state;
  const notifications = new Map(state.notifications);
  for (const { id } of gone) notifications.delete(id);
  return { ...state, notifications };
}

function markNotifications(state: State, isRead: (notification: Notification) => boolean): State {
  const marked = [...state.notifications.values()].filter((each) => !each.read && isRead(each));
  if (marked.length === 0) return state;
  const notifications = new Map(state.notifications);
  for (const each of marked) notifications.set(each.id, { ...each, read: true });
  return { ...state, notifications };
}
