/** A message in a list of messages of several chats: who wrote it, when and where. A press leads to its place. */
import type { ComponentChildren } from 'preact';
import { ChatPicture } from '../parts/picture.tsx';
import { addressOf } from '../route.ts';
import { chatOfId, personOf, state } from '../store.ts';
import { texts } from '../texts/texts.ts';
import { dayNameOf, timeOf, wholeTimeOf } from '../texts/times.ts';
import { chatName } from './shelf.tsx';

type Found = { seq: number; createdAt: string; sender: { id: string }; chat: { id: string; name: string }; attachments: readonly { image: unknown }[] };

/** `text`: of a message without one, its files are told. `below`: what belongs to it. `actions`: what can be done with it here. */
export function Hit({ of, text, below, actions }: { of: Found; text: ComponentChildren; below?: ComponentChildren; actions?: ComponentChildren }) {
  const { shelf, message: words } = texts.value;
  const chat = chatOfId(of.chat.id);
  const name = chat ? chatName(chat) : of.chat.name;
  const sender = of.sender.id === state.value.meId ? words.you : (personOf(of.sender.id)?.displayName ?? '');
  const [attachment] = of.attachments;
  return (
    <li>
      <a href={addressOf('chat', of.chat.id, String(of.seq))}>
        <ChatPicture id={of.chat.id} size="m" />
        <div>
          <h2>
            <bdi>{sender}</bdi>
          </h2>
          <p dir="auto">{text || (attachment && (attachment.image ? shelf.picture : shelf.file)(of.attachments.length))}</p>
          {below}
        </div>
        <small>
          <time dateTime={of.createdAt} title={wholeTimeOf(of.createdAt)}>
            {dayNameOf(of.createdAt)}, {timeOf(of.createdAt)}
          </time>
          {name !== sender && <bdi class="clip">{name}</bdi>}
        </small>
      </a>
      {actions}
    </li>
  );
}
