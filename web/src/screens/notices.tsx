/** What others have written and nobody here has seen yet, and what came before: the newest first, what belongs together in one row. */
import { useEffect, useState } from 'preact/hooks';
import { Count } from '../app.tsx';
import { ask } from '../ask.ts';
import type { MarkNoticesMutation, MarkNoticesMutationVariables, NoticesQuery, NoticesQueryVariables } from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { alarm } from '../parts/announcer.tsx';
import { FormError } from '../parts/fields.tsx';
import { Icon } from '../parts/icon.tsx';
import { ChatPicture } from '../parts/picture.tsx';
import { addressOf } from '../route.ts';
import { withNotifications } from '../state/merge.ts';
import type { Chat, Notification } from '../state/state.ts';
import { chatOfId, line, noticesUnread, personOf, readInto, state } from '../store.ts';
import { sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';
import { shortTimeOf, wholeTimeOf } from '../texts/times.ts';
import { chatName } from './shelf.tsx';

const noticesDocument = operation<NoticesQuery, NoticesQueryVariables>(/* GraphQL */ `
  query Notices($after: String) {
    notifications(first: 50, after: $after) {
      unreadCount
      nodes { ...NotificationFields message { text attachments { id image { id } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const markDocument = operation<MarkNoticesMutation, MarkNoticesMutationVariables>(/* GraphQL */ `
  mutation MarkNotices($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) { __typename ...Failure } }
`);
/** The server marks at most so many by their ids. */
const mostIds = 100;

type About = Pick<NonNullable<NonNullable<NoticesQuery['notifications']>['nodes'][number]['message']>, 'text' | 'attachments'>;
/** The unread ones of a chat, or read ones of it that follow each other. */
type Group = { newest: Notification; all: readonly Notification[] };

export function Notices() {
  const { notices: words, shelf, common } = texts.value;
  const [abouts, setAbouts] = useState<ReadonlyMap<string, About>>(new Map());
  const [after, setAfter] = useState<string | null>(null);
  const [isRead, setRead] = useState(false);
  const [onlyUnread, setOnlyUnread] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [marking, setMarking] = useState<string | null>(null);

  // What came meanwhile; and all anew when the list was, of which older ones are left out then.
  const { noticesAreOld } = state.value;
  useEffect(() => {
    if (noticesAreOld) setRead(false);
    else void read(null);
  }, [line.value, noticesAreOld]);

  async function read(from: string | null): Promise<void> {
    try {
      const { notifications } = await readInto(
        () => ask(noticesDocument, { after: from }),
        (before, data) => (data.notifications ? withNotifications(before, data.notifications) : before),
      );
      if (!notifications) return;
      setAbouts((known) => new Map([...known, ...notifications.nodes.flatMap(({ id, message }) => (message ? [[id, message] as const] : []))]));
      if (from !== null || !isRead) setAfter(notifications.pageInfo.hasNextPage ? notifications.pageInfo.endCursor : null);
      setRead(true);
      setProblem(null);
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }

  /** `key` says which button waits. */
  async function mark(key: string, inputs: readonly MarkNoticesMutationVariables['input'][]): Promise<void> {
    if (marking !== null) return;
    setMarking(key);
    setProblem(null);
    try {
      for (const input of inputs) {
        const { markNotificationsRead: result } = await ask(markDocument, { input });
        if (result && 'code' in result) throw result;
      }
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
      alarm(sentenceOf(thrown));
    }
    setMarking(null);
  }
  const markGroup = ({ newest, all }: Group): void => {
    const ids = all.map(({ id }) => id);
    const parts = Array.from({ length: Math.ceil(ids.length / mostIds) }, (_, at) => ids.slice(at * mostIds, (at + 1) * mostIds));
    void mark(
      newest.id,
      parts.map((part) => ({ ids: part })),
    );
  };

  const groups = groupsOf([...state.value.notifications.values()].filter(({ read: seen }) => !(onlyUnread && seen)));
  const isEmpty = isRead && groups.length === 0;
  return (
    <main class="pane">
      <header class="bar">
        <h1 class="grow">{words.title}</h1>
        {noticesUnread.value > 0 && (
          <button class="btn small text" type="button" aria-busy={marking === 'all'} onClick={() => void mark('all', [{ all: true }])}>
            {marking === 'all' ? words.reading : words.readAll}
          </button>
        )}
      </header>
      <div class="scroll">
        <div class="column page">
          <div class="tabs lead" role="group" aria-label={shelf.show}>
            {[false, true].map((each) => (
              <button key={String(each)} type="button" aria-pressed={onlyUnread === each} onClick={() => setOnlyUnread(each)}>
                {each ? words.unread : words.all}
              </button>
            ))}
          </div>
          {groups.length > 0 && (
            <ul class="list">
              {groups.map((group) => (
                <Row key={group.newest.id} group={group} about={abouts.get(group.newest.id) ?? null} busy={marking === group.newest.id} onMark={() => markGroup(group)} />
              ))}
            </ul>
          )}
          <div class="below-list">
            <p class="hint" role="status">
              {isEmpty ? words.none : ''}
            </p>
            <FormError>{problem}</FormError>
            {(after || (problem && !isRead)) && (
              <button class="btn small" type="button" onClick={() => void read(after)}>
                {problem ? common.tryAgain : words.older}
              </button>
            )}
          </div>
        </div>
      </div>
    </main>
  );
}

function Row({ group: { newest, all }, about, busy, onMark }: { group: Group; about: About | null; busy: boolean; onMark: () => void }) {
  const { notices: words } = texts.value;
  const chat = newest.chatId === null ? null : chatOfId(newest.chatId);
  const actor = newest.actorId === null ? null : personOf(newest.actorId);
  const name = chat ? chatName(chat) : (actor?.displayName ?? '');
  const address = newest.chatId === null ? null : addressOf('chat', newest.chatId, ...(newest.seq > 0 ? [String(newest.seq)] : []));
  const text = textOf(chat, newest, about);
  return (
    <li>
      {chat ? <ChatPicture id={chat.id} size="m" presence /> : <span class="av m" aria-hidden="true" />}
      <div>
        <h2>
          <bdi>{name}</bdi>
          {!newest.read && <Count of={all.length} />}
        </h2>
        <p dir="auto">{chat?.__typename === 'Room' && actor ? `${actor.displayName}: ${text}` : text}</p>
        <small>
          <time dateTime={newest.createdAt} title={wholeTimeOf(newest.createdAt)}>
            {shortTimeOf(newest.createdAt)}
          </time>
        </small>
      </div>
      <div class="row-btns">
        {!newest.read && (
          <button class="ib" type="button" aria-busy={busy} aria-label={words.readOf(name)} title={words.read} onClick={onMark}>
            <Icon name="tick2" />
          </button>
        )}
        {address && (
          <a class="btn small text" href={address} aria-label={words.openOf(name)}>
            {words.open}
          </a>
        )}
      </div>
    </li>
  );
}

/** As it is now where the message is loaded, otherwise as it was read. */
function textOf(chat: Chat | null, { seq }: Notification, about: About | null): string {
  const { notices: words } = texts.value;
  const { text = '', attachments = [] } = chat?.messages.get(seq) ?? about ?? {};
  const [first] = attachments;
  return text || (first ? (first.image ? words.picture : words.file)(attachments.length) : '');
}

function groupsOf(notifications: readonly Notification[]): Group[] {
  const groups: { newest: Notification; all: Notification[] }[] = [];
  const sorted = [...notifications].sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : b.seq - a.seq));
  for (const each of sorted) {
    const same = ({ newest }: Group): boolean => newest.chatId === each.chatId && newest.read === each.read;
    const group = each.read ? groups.slice(-1).find(same) : groups.find(same);
    if (group) group.all.push(each);
    else groups.push({ newest: each, all: [each] });
  }
  return groups;
}
