/** The threads of a conversation, the one with the newest reply first: all, those that one follows, and those with something unread. */
import { useEffect, useState } from 'preact/hooks';
import { Count } from '../../app.tsx';
import { ask } from '../../ask.ts';
import type { ThreadsQuery, ThreadsQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { Tabs } from '../../parts/search.tsx';
import { addressOf } from '../../route.ts';
import { toQuote, withPeople } from '../../state/merge.ts';
import type { Chat, Quote } from '../../state/state.ts';
import { line, readInto } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { shortTimeOf } from '../../texts/times.ts';
import { PanelFrame } from './panel-frame.tsx';
import { Lines } from './quote.tsx';

const threadsDocument = operation<ThreadsQuery, ThreadsQueryVariables>(/* GraphQL */ `
  query Threads($chatId: ID!, $filter: ThreadFilter!, $after: String) {
    chat(id: $chatId) {
      threads(filter: $filter, first: 20, after: $after) { nodes { id rootSeq replyCount lastReplyAt root { ...QuoteFields } my { unreadCount } } pageInfo { hasNextPage endCursor } }
    }
  }
`);
const againAfterMs = 300;
const filters = { all: 'ALL', followed: 'FOLLOWED', unread: 'UNREAD' } as const;
type Kind = keyof typeof filters;
type Thread = { id: string; rootSeq: number; replies: number; at: string; root: Quote | null; unread: number };

export function ThreadList({ chat }: { chat: Chat }) {
  const { threads: words, rooms, common } = texts.value;
  const [kind, setKind] = useState<Kind>('all');
  const [threads, setThreads] = useState<readonly Thread[] | null>(null);
  const [after, setAfter] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const isOn = line.value === 'on';
  useEffect(() => {
    if (!isOn) return;
    const timer = setTimeout(() => void read(null), threads === null ? 0 : againAfterMs);
    return () => clearTimeout(timer);
  }, [kind, isOn, chat.lastSeq, chat.my?.unreadThreads]);

  async function read(behind: string | null): Promise<void> {
    try {
      const { chat: found } = await readInto(
        () => ask(threadsDocument, { chatId: chat.id, filter: filters[kind], after: behind }),
        (before, data) =>
          withPeople(
            before,
            (data.chat?.threads?.nodes ?? []).flatMap(({ root }) => root?.sender ?? []),
          ),
      );
      const page = found?.threads;
      const nodes = (page?.nodes ?? []).map(
        ({ id, rootSeq, replyCount, lastReplyAt, root, my }): Thread => ({
          id,
          rootSeq,
          replies: replyCount,
          at: lastReplyAt,
          root: root && toQuote(root),
          unread: my?.unreadCount ?? 0,
        }),
      );
      setThreads(behind === null ? nodes : [...(threads ?? []), ...nodes]);
      setAfter(page?.pageInfo.hasNextPage ? page.pageInfo.endCursor : null);
      setProblem(null);
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }

  return (
    <PanelFrame chat={chat} title={words.title} label={words.title}>
      <div class="inset">
        <Tabs label={texts.value.shelf.show} kinds={['all', 'followed', 'unread']} words={words} chosen={kind} onChoose={setKind} />
      </div>
      <ul class="pins threads">
        {threads?.map(({ id, rootSeq, replies, at, root, unread }) => (
          <li key={id}>
            <a class="quote" href={addressOf('chat', chat.id, 'thread', String(rootSeq))}>
              {root ? <Lines of={root} /> : <span class="hint">{texts.value.message.gone}</span>}
              <small>{words.replies(replies, shortTimeOf(at))}</small>
            </a>
            <Count of={unread} />
          </li>
        ))}
      </ul>
      <p class="hint inset" role="status">
        {threads?.length === 0 ? (kind === 'unread' ? words.noneUnread : words.noneAtAll) : ''}
      </p>
      <div class="inset">
        <FormError>{problem}</FormError>
        {(after || problem) && (
          <button class="btn small" type="button" onClick={() => void read(problem ? null : after)}>
            {problem ? common.tryAgain : rooms.showMore}
          </button>
        )}
      </div>
    </PanelFrame>
  );
}
