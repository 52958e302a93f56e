/** A thread beside its conversation: the message it hangs under, the replies, and where one writes the next. On a phone it is a screen of its own. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type {
  FollowMutation,
  FollowMutationVariables,
  ThreadQuery,
  ThreadQueryVariables,
  ThreadReadMutation,
  ThreadReadMutationVariables,
  UnfollowMutation,
  UnfollowMutationVariables,
} from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { alarm } from '../../parts/announcer.tsx';
import { FormError } from '../../parts/fields.tsx';
import { Icon } from '../../parts/icon.tsx';
import { threadPlace } from '../../places.ts';
import { waiting } from '../../sending.ts';
import { toThread, withHistory, withPart } from '../../state/merge.ts';
import type { Chat, Message } from '../../state/state.ts';
import { line, mayWrite, readInto, state } from '../../store.ts';
import { readHistory } from '../../sync.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { turning } from '../../turning.ts';
import { chatName } from '../shelf.tsx';
import { DayRow } from './breaks.tsx';
import { Composer } from './composer.tsx';
import { moveByKey } from './keys.ts';
import { roleOf, useMay } from './log.tsx';
import { MessageView } from './message.tsx';
import { PanelFrame } from './panel-frame.tsx';
import { toThreadRows } from './rows.ts';
import { WaitingView } from './waiting.tsx';

const threadDocument = operation<ThreadQuery, ThreadQueryVariables>(/* GraphQL */ `
  query Thread($id: ID!, $anchor: MessageAnchorInput) {
    message(id: $id) { id thread { ...ThreadFields replies(anchor: $anchor, last: 50) { nodes { ...MessageFields ...OwnFields } pageInfo { hasPreviousPage } } } }
  }
`);
const readDocument = operation<ThreadReadMutation, ThreadReadMutationVariables>(/* GraphQL */ `
  mutation ThreadRead($id: ID!, $upToSeq: Int!) { markThreadRead(input: { messageId: $id, upToSeq: $upToSeq }) { __typename } }
`);
const followDocument = operation<FollowMutation, FollowMutationVariables>(/* GraphQL */ `
  mutation Follow($id: ID!) { followThread(input: { messageId: $id }) { __typename ... on FollowThreadPayload { thread { ...ThreadFields } } ...Failure } }
`);
const unfollowDocument = operation<UnfollowMutation, UnfollowMutationVariables>(/* GraphQL */ `
  mutation Unfollow($id: ID!) { unfollowThread(input: { messageId: $id }) { __typename ... on UnfollowThreadPayload { thread { ...ThreadFields } } ...Failure } }
`);
/** Whoever is nearer to the end than this follows it. */
const nearEnd = 80;

export function ThreadPanel({ chat, rootSeq }: { chat: Chat; rootSeq: number }) {
  const { threads: words, common } = texts.value;
  const root = chat.messages.get(rootSeq) ?? null;
  const place = useMemo(() => root && threadPlace(chat.id, root), [chat.id, root?.id]);
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const told = useRef(0);
  const [problem, setProblem] = useState<string | null>(null);
  const [isRead, setRead] = useState(false);
  const [earlier, setEarlier] = useState(false);
  const [tries, setTries] = useState(0);
  const may = useMay(chat);
  const own = place ? waiting.value.filter(({ chatId, threadRootId }) => chatId === chat.id && threadRootId === place.thread?.rootId) : [];
  const { meId } = state.peek();
  const rows = useMemo(() => toThreadRows(chat, rootSeq, meId, own), [chat, rootSeq, waiting.value, meId]);
  const last = rows.findLast((row) => row.is === 'message');
  const lastSeq = last?.is === 'message' ? last.message.seq : rootSeq;
  const loaded = rows.filter((row) => row.is === 'message').length - 1;

  useEffect(() => {
    if (line.value !== 'on') return;
    let left = false;
    setProblem(null);
    read(null).then(
      () => left || setRead(true),
      (thrown: unknown) => left || setProblem(sentenceOf(thrown)),
    );
    return () => {
      left = true;
    };
  }, [rootSeq, root === null && isRead, line.value, tries]);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box && atEnd.current) box.scrollTop = box.scrollHeight;
  }, [rows]);
  useEffect(() => {
    if (isRead && matchMedia('(pointer: fine)').matches) document.getElementById('thread-box')?.focus({ preventScroll: true });
  }, [isRead && root !== null]);
  useEffect(() => {
    const seen = (): void => tellRead();
    seen();
    addEventListener('focus', seen);
    return () => removeEventListener('focus', seen);
  }, [lastSeq]);

  async function read(beforeSeq: number | null): Promise<void> {
    if (!state.peek().chats.get(chat.id)?.messages.has(rootSeq)) await readHistory(chat.id, { aroundSeq: rootSeq }, 3);
    const id = state.peek().chats.get(chat.id)?.messages.get(rootSeq)?.id;
    if (!id) return;
    const { message } = await readInto(
      () => ask(threadDocument, { id, anchor: beforeSeq === null ? null : { beforeSeq } }),
      (before, data) => withHistory(before, chat.id, data.message?.thread?.replies.nodes ?? []),
    );
    setEarlier(message?.thread?.replies.pageInfo.hasPreviousPage ?? false);
  }

  /** What has been at the end of it, in a page that somebody looks at, is read, here and in no other part of the chat. */
  function tellRead(): void {
    if (!root?.thread || !chat.my || !atEnd.current || document.visibilityState !== 'visible' || !document.hasFocus()) return;
    if (lastSeq <= Math.max(told.current, chat.my.readSeq, rootSeq)) return;
    told.current = lastSeq;
    ask(readDocument, { id: root.id, upToSeq: lastSeq }).catch(() => {});
  }

  function scrolled(): void {
    const box = scroller.current;
    if (!box) return;
    atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight <= nearEnd;
    tellRead();
  }

  const firstSeq = rows.find((row) => row.is === 'message' && row.message.seq !== rootSeq);
  return (
    <PanelFrame
      chat={chat}
      title={words.one}
      label={words.one}
      wide
      scroller={scroller}
      onScroll={scrolled}
      onKeyDown={(event) => place && moveByKey(event, scroller.current, chat, place, async () => {})}
      back={() => document.getElementById(`message-${rootSeq}`) ?? document.getElementById('box')}
      actions={root?.thread && chat.my && <Follow chatId={chat.id} root={root} />}
      foot={place && may.write && mayWrite(chat) && !(root?.deletedAt && !root.thread) && <Composer chat={chat} name={chatName(chat)} place={place} />}
    >
      <ol class="log">
        {place &&
          rows.map((row) =>
            row.is === 'day' ? (
              <DayRow key={row.key} at={row.at} quietDays={row.quietDays} />
            ) : row.is === 'waiting' ? (
              <WaitingView key={row.key} rowKey={row.key} message={row.message} first={row.first} last={row.last} newest={false} />
            ) : row.is === 'message' ? (
              [
                <MessageView
                  key={row.key}
                  place={place}
                  row={{ ...row, newest: false }}
                  kind={chat.__typename}
                  role={roleOf(chat, row.message.senderId)}
                  last={chat.lastSeq}
                  may={may}
                  turning={turning.value.get(row.message.id)}
                />,
                row.message.seq === rootSeq && (
                  <li key="count" class="day count-row">
                    <h3>{words.count(root?.thread?.replyCount ?? 0)}</h3>
                    {earlier && firstSeq?.is === 'message' && (
                      <button class="link" type="button" onClick={() => void read(firstSeq.message.seq).catch((thrown: unknown) => setProblem(sentenceOf(thrown)))}>
                        {words.earlier}
                      </button>
                    )}
                  </li>
                ),
              ]
            ) : null,
          )}
      </ol>
      {isRead && !root && <p class="hint inset">{texts.value.app.missing}</p>}
      {isRead && root && loaded === 0 && own.length === 0 && <p class="hint inset">{words.none}</p>}
      {problem && (
        <div class="inset">
          <FormError>{problem}</FormError>
          <button class="btn small" type="button" onClick={() => setTries(tries + 1)}>
            {common.tryAgain}
          </button>
        </div>
      )}
    </PanelFrame>
  );
}

function Follow({ chatId, root }: { chatId: string; root: Message }) {
  const { threads: words } = texts.value;
  const [busy, setBusy] = useState(false);
  const follows = root.thread?.my?.following ?? false;
  async function turn(): Promise<void> {
    if (busy) return;
    setBusy(true);
    try {
      const result = await readInto(
        async () => (follows ? (await ask(unfollowDocument, { id: root.id })).unfollowThread : (await ask(followDocument, { id: root.id })).followThread),
        (before, answer) => (answer && 'thread' in answer ? withPart(before, chatId, root.seq, { thread: toThread(answer.thread) }) : before),
      );
      if (!result || isFailure(result)) alarm(sentenceOf(result));
    } catch (thrown) {
      alarm(sentenceOf(thrown));
    }
    setBusy(false);
  }
  return (
    <button class="btn small text" type="button" aria-pressed={follows} aria-busy={busy} title={follows ? words.followsHint : words.followHint} onClick={() => void turn()}>
      <Icon name="bell" class="s" />
      {follows ? words.follows : words.follow}
    </button>
  );
}
