/** What a conversation shows, row by row: days, the unread line, and messages in groups. */
import type { Note } from '../../notes.ts';
import type { Waiting } from '../../sending.ts';
import { type Chat, endOf, type Message, readCountOf, statusOf, statusOfReply } from '../../state/state.ts';
import { dayOf } from '../../texts/times.ts';

export type MessageRow = {
  is: 'message';
  key: string;
  message: Message;
  mine: boolean;
  first: boolean;
  last: boolean;
  /** Of the viewer's own: shown where it changes, and at the end of a group. */
  status: Message['status'] | null;
  /** A reply in a thread, with no other one of it right before: says so. */
  entersThread: boolean;
  /** The viewer's newest in a room: below it stands who has read it. */
  newest: boolean;
  readCount: number | null;
};
export type Row =
  | MessageRow
  | { is: 'day'; key: string; at: string; quietDays: number }
  | { is: 'unread'; key: string; count: number; since: string | null }
  | { is: 'note'; key: string; note: Note; names: string[] }
  | { is: 'waiting'; key: string; message: Waiting; first: boolean; last: boolean; newest: boolean };

/** Two messages of one sender so close together stand in one group. */
const groupMs = 5 * 60_000;

export type Line = { seq: number; count: number; since: string | null };

/** `from` and `to` are places of loaded messages. What waits stands behind the newest one. */
export function toRows(chat: Chat, from: number, to: number, meId: string, line: Line | null, waiting: readonly Waiting[], notes: readonly Note[]): Row[] {
  const messages: Message[] = [];
  for (let seq = from; seq <= to; seq++) {
    const message = chat.messages.get(seq);
    if (message) messages.push(message);
  }
  const before = from > 1 ? (chat.messages.get(from - 1) ?? null) : null;
  return rowsOf(chat, messages, before, to >= endOf(chat), meId, line, waiting, notes);
}

/** The message above a thread, and the replies that are loaded, in their order. */
export function toThreadRows(chat: Chat, rootSeq: number, meId: string, waiting: readonly Waiting[]): Row[] {
  const messages = [...chat.messages.values()].filter(({ seq, threadRootSeq }) => seq === rootSeq || threadRootSeq === rootSeq).sort((a, b) => a.seq - b.seq);
  return rowsOf(chat, messages, null, true, meId, null, waiting, []).map((row) => (row.is === 'message' ? { ...row, entersThread: false } : row));
}

function rowsOf(
  chat: Chat,
  messages: readonly Message[],
  earlier: Message | null,
  atEnd: boolean,
  meId: string,
  line: Line | null,
  waiting: readonly Waiting[],
  notes: readonly Note[],
): Row[] {
  const rows: Row[] = [];
  let newest: MessageRow | null = null;
  let before = earlier;
  let open: MessageRow | null = null;
  const addNotes = (after: number): void => {
    for (const note of notes) {
      if (note.after !== after) continue;
      const last = rows.at(-1);
      // Who comes together is told of together.
      if (last?.is === 'note' && last.note.is === note.is && (note.is === 'joined' || note.is === 'left')) last.names.push(note.name);
      else rows.push({ is: 'note', key: note.key, note, names: [note.name] });
      if (open) open.last = true;
      open = null;
    }
  };
  for (const message of messages) {
    const { seq } = message;
    if (seq > 1) addNotes(seq - 1);
    const day = dayOf(message.createdAt);
    const otherDay = !before || dayOf(before.createdAt) !== day;
    if (otherDay) rows.push({ is: 'day', key: `day ${day}`, at: message.createdAt, quietDays: before ? day - dayOf(before.createdAt) - 1 : 0 });
    const atLine = line?.seq === seq;
    if (atLine) rows.push({ is: 'unread', key: 'unread', count: line.count, since: line.since });
    const mine = message.senderId === meId;
    const first: boolean =
      otherDay ||
      atLine ||
      !before ||
      rows.at(-1)?.is === 'note' ||
      before.senderId !== message.senderId ||
      before.threadRootSeq !== message.threadRootSeq ||
      Date.parse(message.createdAt) - Date.parse(before.createdAt) >= groupMs;
    if (first && open) open.last = true;
    const row: MessageRow = {
      is: 'message',
      key: keyOf(message, mine),
      message,
      mine,
      first,
      last: false,
      status: mine && !message.deletedAt ? (message.threadRootSeq === null ? statusOf : statusOfReply)(chat, message) : null,
      entersThread: message.threadRootSeq !== null && before?.threadRootSeq !== message.threadRootSeq,
      newest: false,
      readCount: null,
    };
    if (row.status) newest = row;
    rows.push(row);
    open = row;
    before = message;
  }
  if (atEnd) addNotes(messages.at(-1)?.seq ?? 0);
  if (open) open.last = true;
  // The stream may bring a message before its answer comes.
  const arrived = new Set(rows.map(({ key }) => key));
  const behind = !atEnd ? [] : waiting.filter((each) => !arrived.has(`mine ${each.clientMessageId}`));
  if (newest && chat.__typename === 'Room' && behind.length === 0) {
    newest.newest = true;
    newest.readCount = readCountOf(chat, newest.message);
  }
  return [...rows, ...waitingRows(behind, open, meId, chat.__typename === 'Room')];
}

function waitingRows(waiting: readonly Waiting[], open: MessageRow | null, meId: string, inRoom: boolean): Row[] {
  const joins = open !== null && open.message.senderId === meId;
  return waiting.map((message, index) => ({
    is: 'waiting',
    key: `mine ${message.clientMessageId}`,
    message,
    first: index === 0 && !joins,
    last: index === waiting.length - 1,
    // The place of who has read it is there from the first moment on.
    newest: inRoom && index === waiting.length - 1 && message.refusal === undefined,
  }));
}

/** The viewer's own keep their row from the first moment on. Others may use whatever ids they like, so theirs are not taken. */
const keyOf = (message: Message, mine: boolean): string => (mine && message.clientMessageId ? `mine ${message.clientMessageId}` : message.id);
