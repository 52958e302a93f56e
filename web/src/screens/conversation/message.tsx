/** One message: of others on the paper, of the viewer on a leaf; edited, deleted. A row is drawn again only when something of it has changed. */
import { Component, type ComponentChildren } from 'preact';
import { Icon } from '../../parts/icon.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import type { Place } from '../../places.ts';
import { addressOf } from '../../route.ts';
import type { Message } from '../../state/state.ts';
import { personOf, state } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf, wholeTimeOf } from '../../texts/times.ts';
import type { Turning } from '../../turning.ts';
import { Attachments } from './attachments.tsx';
import { Editor } from './editor.tsx';
import { editing, historyOf, type May, MessageActions } from './message-actions.tsx';
import { Quoted } from './quote.tsx';
import { Slots } from './reactions.tsx';
import { Seen, Tick } from './receipt.tsx';
import type { MessageRow } from './rows.ts';
import { isBig, linked } from './text.tsx';

type Props = { place: Place; row: MessageRow; kind: 'Room' | 'Dialog'; role: 'OWNER' | 'ADMIN' | null; last: number; may: May; turning: Turning | undefined };

/** `active`: under the pointer, or with the focus. Only then there are buttons: three hundred rows of them would be felt. */
export class MessageView extends Component<Props, { active: boolean }> {
  override state = { active: false };

  override shouldComponentUpdate({ row, kind, role, last, may, turning }: Props, { active }: { active: boolean }): boolean {
    const was = this.props;
    return (
      active !== this.state.active ||
      row.message !== was.row.message ||
      row.first !== was.row.first ||
      row.last !== was.row.last ||
      row.status !== was.row.status ||
      row.newest !== was.row.newest ||
      row.entersThread !== was.row.entersThread ||
      row.readCount !== was.row.readCount ||
      kind !== was.kind ||
      role !== was.role ||
      may !== was.may ||
      turning !== was.turning ||
      // What a screen reader is told of the size of the list; a rough number does.
      Math.abs(last - was.last) > 50
    );
  }

  enter = (): void => this.setState({ active: true });

  /** A menu that is open holds its row. */
  leave = ({ currentTarget }: { currentTarget: HTMLElement }): void => {
    if (!currentTarget.contains(document.activeElement)) this.setState({ active: false });
  };

  blur = ({ currentTarget, relatedTarget }: FocusEvent & { currentTarget: HTMLElement }): void => {
    // When somebody goes to another window, what had the focus has it still.
    const stays = currentTarget.contains(relatedTarget as Node | null) || currentTarget.contains(document.activeElement);
    if (!stays && !currentTarget.matches(':hover')) this.setState({ active: false });
  };

  /** Where there is no pointer that hovers, a long press opens the menu. */
  press = (event: MouseEvent & { currentTarget: HTMLElement }): void => {
    if (matchMedia('(hover: hover)').matches) return;
    event.preventDefault();
    const row = event.currentTarget;
    this.setState({ active: true }, () => row.querySelector<HTMLElement>('.acts [aria-haspopup=menu]')?.click());
  };

  override render({ place, row, kind, role, last, may, turning }: Props, { active }: { active: boolean }) {
    const { message, mine, first } = row;
    return (
      <li
        class={`m ${mine ? 'mine' : ''}`}
        data-key={row.key}
        data-seq={message.seq}
        data-first={first ? '' : undefined}
        data-last={row.last ? '' : undefined}
        data-me={message.mentionsMe ? '' : undefined}
        onPointerEnter={this.enter}
        onPointerLeave={this.leave}
        onFocusIn={this.enter}
        onFocusOut={this.blur}
        onContextMenu={this.press}
      >
        <article tabIndex={-1} aria-posinset={message.seq} aria-setsize={last} id={`${place.row}-${message.seq}`}>
          {row.entersThread && message.threadRootSeq !== null && <ThreadMark chatId={place.chatId} rootSeq={message.threadRootSeq} active={active} />}
          {mine ? <Mine row={row} place={place} /> : <Theirs row={row} role={role} chatId={place.chatId} moderates={may.moderate} />}
          {(message.reactions.length > 0 || message.thread || turning) && <Slots message={message} place={place} turning={turning} open={may.write} active={active} />}
          {row.newest && <Seen message={message} count={row.readCount} />}
          {active && !message.deletedAt && <MessageActions message={message} place={place} mine={mine} kind={kind} may={may} />}
        </article>
      </li>
    );
  }
}

function Mine({ row, place }: { row: MessageRow; place: Place }) {
  const { message } = row;
  const { message: words } = texts.value;
  if (message.deletedAt)
    return (
      <>
        <h3 class="vh">{words.you}</h3>
        <Gone text={words.youDeleted} />
      </>
    );
  if (editing.value === `${place.row} ${message.id}`) return <Editor message={message} place={place} />;
  const meta = (row.last || message.editedAt || message.saved) && (
    <span class="meta">
      <Marks message={message} open />
      {row.last && (
        <time dateTime={message.createdAt} title={wholeTimeOf(message.createdAt)}>
          {timeOf(message.createdAt)}
        </time>
      )}
      {row.last && row.status && <Tick status={row.status} />}
    </span>
  );
  const text = message.text ?? '';
  if (isBig(text) && message.attachments.length === 0 && !message.replyTo && !message.forwardedFrom)
    return (
      <>
        <h3 class="vh">{words.you}</h3>
        <p class="txt big">{text}</p>
        {meta}
      </>
    );
  return (
    <>
      <h3 class="vh">{words.you}</h3>
      <div class="leaf">
        {message.pin && <PinnedMark />}
        {message.forwardedFrom && <ForwardedMark by={message.forwardedFrom.authorId} />}
        {message.replyTo && <Quoted of={message.replyTo} chatId={place.chatId} />}
        <Attachments of={message.attachments} from={message.senderId} />
        <Words text={text} about={message} meta={meta} />
      </div>
    </>
  );
}

function Theirs({ row, role, chatId, moderates }: { row: MessageRow; role: Props['role']; chatId: string; moderates: boolean }) {
  const { message, first } = row;
  const { message: words } = texts.value;
  const name = personOf(message.senderId)?.displayName ?? '';
  const text = message.text ?? '';
  const time = (
    <time class={first ? undefined : 'gut'} dateTime={message.createdAt} title={wholeTimeOf(message.createdAt)}>
      {timeOf(message.createdAt)}
    </time>
  );
  const meta = (message.editedAt || message.saved) && (
    <span class="meta">
      <Marks message={message} open={moderates} />
    </span>
  );
  return (
    <>
      {first ? (
        <>
          <PersonPicture id={message.senderId} />
          <header class="by">
            <b class="who">
              <bdi>{name}</bdi>
            </b>
            {role && <span class="tag">{role === 'OWNER' ? words.owner : words.admin}</span>}
            {time}
          </header>
        </>
      ) : (
        <>
          <h3 class="vh">{name}</h3>
          {time}
        </>
      )}
      {message.deletedAt ? (
        <Gone text={words.deleted(name)} />
      ) : (
        <>
          {message.pin && <PinnedMark />}
          {message.forwardedFrom && <ForwardedMark by={message.forwardedFrom.authorId} />}
          {message.replyTo && <Quoted of={message.replyTo} chatId={chatId} />}
          <Attachments of={message.attachments} from={message.senderId} />
          {text !== '' && (
            <p class={isBig(text) ? 'txt big' : 'txt'} dir="auto">
              {linked(text, message)}
              {meta}
            </p>
          )}
          {text === '' && meta}
        </>
      )}
    </>
  );
}

/** What has become of it beside what others do with it. */
function Marks({ message, open }: { message: Message; open: boolean }) {
  return (
    <>
      {message.saved && <Icon name="bookmark" label={texts.value.message.saved} />}
      {message.editedAt && <Edited message={message} open={open} />}
    </>
  );
}

/** For those who may see it, a way to what was there before. */
function Edited({ message, open }: { message: Message; open: boolean }) {
  const { message: words } = texts.value;
  if (!open) return <>{words.edited} </>;
  return (
    <button type="button" tabIndex={-1} title={words.history} aria-haspopup="dialog" onClick={() => (historyOf.value = message)}>
      {words.edited}
    </button>
  );
}

/** On a leaf: what stands at its end stands there alone when there is no text. */
export function Words({ text, about, meta }: { text: string; about?: Message; meta: ComponentChildren }) {
  if (text === '') return meta;
  return (
    <p class="txt" dir="auto">
      {linked(text, about)}
      {meta}
    </p>
  );
}

/** Leads to the thread that the message is in. */
function ThreadMark({ chatId, rootSeq, active }: { chatId: string; rootSeq: number; active: boolean }) {
  const root = state.peek().chats.get(chatId)?.messages.get(rootSeq);
  return (
    <a class="thread-mark" href={addressOf('chat', chatId, 'thread', String(rootSeq))} tabIndex={active ? 0 : -1}>
      <Icon name="thread" class="s" />
      <span class="clip">{texts.value.threads.inThread(root?.text ?? '')}</span>
    </a>
  );
}

function PinnedMark() {
  return (
    <p class="pin-mark">
      <Icon name="pin" class="s" />
      {texts.value.pins.mark}
    </p>
  );
}

/** Whose words they are. */
export function ForwardedMark({ by }: { by: string | null }) {
  return (
    <p class="pin-mark">
      <Icon name="forward" class="s flip" />
      {texts.value.message.forwarded(personOf(by ?? '')?.displayName ?? '')}
    </p>
  );
}

function Gone({ text }: { text: string }) {
  return (
    <p class="gone">
      <Icon name="trash" class="s" />
      {text}
    </p>
  );
}
