/** What stands between messages: the beginning, days, and the line where reading stopped. */
import type { Note } from '../../notes.ts';
import type { Chat } from '../../state/state.ts';
import { texts } from '../../texts/texts.ts';
import { dayNameOf } from '../../texts/times.ts';

export function Beginning({ chat, name }: { chat: Chat; name: string }) {
  const { chat: words } = texts.value;
  return (
    <li class="start">
      <h2>{chat.__typename === 'Dialog' ? words.beginningWith(name) : words.beginning(name)}</h2>
      {chat.__typename === 'Room' && chat.topic && <p>{chat.topic}</p>}
    </li>
  );
}

export function DayRow({ at, quietDays }: { at: string; quietDays: number }) {
  return (
    <li class="day">
      <h2>
        <time dateTime={at.slice(0, 10)}>{dayNameOf(at)}</time>
        {quietDays > 1 && <span> · {texts.value.chat.quietDays(quietDays)}</span>}
      </h2>
    </li>
  );
}

export function UnreadRow({ text }: { text: string }) {
  return (
    <li class="new">
      <span>{text}</span>
    </li>
  );
}

export function NoteRow({ note, names }: { note: Note; names: readonly string[] }) {
  const { chat: words } = texts.value;
  return (
    <li class="note">
      {note.is === 'joined'
        ? words.joinedNote(names)
        : note.is === 'left'
          ? words.leftNote(names)
          : note.is === 'named'
            ? words.namedNote(note.name)
            : words.removedNote(note.name, note.by)}
    </li>
  );
}
