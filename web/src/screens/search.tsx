/** Searching messages: words, and where, by whom, with what and when. What is found leads to its place. What was searched stays until another search, so that Back finds it again. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask, Refused } from '../ask.ts';
import type { SearchMessagesQuery, SearchMessagesQueryVariables } from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { FormError } from '../parts/fields.tsx';
import { Icon } from '../parts/icon.tsx';
import { SearchField } from '../parts/search.tsx';
import { addressOf } from '../route.ts';
import { withPeople } from '../state/merge.ts';
import { chatOfId, me, myChats, personOf, phase, readInto, state } from '../store.ts';
import { sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';
import { dayNameOf } from '../texts/times.ts';
import { Hit } from './hit.tsx';
import type { ScreenProps } from './screens.tsx';
import { chatName, searchedFor } from './shelf.tsx';

const searchDocument = operation<SearchMessagesQuery, SearchMessagesQueryVariables>(/* GraphQL */ `
  query SearchMessages($words: String, $filter: MessageSearchInput, $after: String) {
    searchMessages(query: $words, filter: $filter, first: 20, after: $after) {
      indexComplete searchedBackTo
      edges { snippet { text hit } node { id seq createdAt sender { ...PersonFields } chat { id name } attachments { image { id } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const askAfterMs = 250;
/** Whom one can choose from. */
const mostPeople = 200;

type Has = 'ATTACHMENT' | 'IMAGE' | 'LINK';
type Wanted = { words: string; chatId: string; from: string; has: Has | ''; since: string; until: string };
type Page = NonNullable<SearchMessagesQuery['searchMessages']>;
type Found = { edges: Page['edges']; after: string | null; backTo: string | null; complete: boolean };

const nothing: Wanted = { words: '', chatId: '', from: '', has: '', since: '', until: '' };
const wanted = signal(nothing);
const found = signal<Found | null>(null);

phase.subscribe(({ is }) => {
  if (is !== 'out') return;
  wanted.value = nothing;
  found.value = null;
});

/** Only signs say nothing that could be found. */
const isEnough = ({ words, from, has, since, until }: Wanted): boolean => /[\p{L}\p{N}]/u.test(words) || [from, has, since, until].some(Boolean);

/** Days are the reader's own. */
function filterOf({ chatId, from, has, since, until }: Wanted): SearchMessagesQueryVariables['filter'] {
  const dayAt = (day: string, by = 0): string => {
    const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
    return new Date(year, month - 1, date + by).toISOString();
  };
  return {
    ...(chatId ? { chatId } : {}),
    ...(from ? { from: { id: from } } : {}),
    ...(has ? { has: [has] } : {}),
    ...(since ? { after: dayAt(since) } : {}),
    ...(until ? { before: dayAt(until, 1) } : {}),
  };
}

export function Search({ parts: [chatId = ''] }: ScreenProps) {
  const { search: words, common } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const asked = useRef(0);
  const { value: now } = wanted;
  const set = (part: Partial<Wanted>): void => {
    wanted.value = { ...wanted.value, ...part };
  };

  useEffect(() => {
    const given = searchedFor.peek();
    searchedFor.value = null;
    if (given !== null) wanted.value = { ...nothing, chatId, words: given };
    else if (chatId !== wanted.peek().chatId && chatId !== '') wanted.value = { ...nothing, chatId };
  }, [chatId]);
  const first = useRef(found.peek() !== null && searchedFor.peek() === null ? now : null);
  useEffect(() => {
    // Who comes back finds what was found.
    if (first.current === now) return;
    first.current = null;
    const timer = setTimeout(() => void read(null), askAfterMs);
    return () => clearTimeout(timer);
  }, [now]);

  async function read(after: string | null): Promise<void> {
    const mine = ++asked.current;
    const what = wanted.peek();
    setProblem(null);
    if (!isEnough(what)) {
      found.value = null;
      return setBusy(false);
    }
    setBusy(true);
    try {
      const { searchMessages: page } = await readInto(
        () => ask(searchDocument, { words: what.words.trim() || null, filter: filterOf(what), after }),
        (before, data) => withPeople(before, data.searchMessages?.edges.map(({ node }) => node.sender) ?? []),
      );
      if (mine !== asked.current || !page) return;
      const { hasNextPage, endCursor } = page.pageInfo;
      found.value = {
        edges: [...(after === null ? [] : (found.peek()?.edges ?? [])), ...page.edges],
        after: hasNextPage ? endCursor : null,
        backTo: page.searchedBackTo,
        complete: page.indexComplete,
      };
    } catch (thrown) {
      if (mine !== asked.current) return;
      if (after === null) found.value = null;
      setProblem(thrown instanceof Refused && thrown.code === 'BAD_REQUEST' ? words.cannot : sentenceOf(thrown));
    }
    setBusy(false);
  }

  const { value: result } = found;
  const status = busy ? '' : result === null ? words.hint : result.edges.length === 0 && !result.after ? words.none : '';
  return (
    <main class="pane">
      <header class="bar">
        {now.chatId !== '' ? (
          <a class="ib" href={addressOf('chat', now.chatId)} aria-label={words.back} title={words.back}>
            <Icon name="back" class="flip" />
          </a>
        ) : (
          <a class="ib only-phone" href="/" aria-label={texts.value.chat.backToChats}>
            <Icon name="back" class="flip" />
          </a>
        )}
        <h1 class="grow">{words.title}</h1>
      </header>
      <div class="scroll">
        <div class="column page">
          <form class="stack" role="search" aria-label={words.title} onSubmit={(event) => event.preventDefault()}>
            <SearchField label={words.words} value={now.words} onValue={(value) => set({ words: value })} autofocus maxLength={200} />
            <Filters of={now} onChange={set} />
          </form>
          <ol class="list found" aria-busy={busy}>
            {result?.edges.map((edge) => (
              <Hit
                key={edge.node.id}
                of={edge.node}
                text={edge.snippet.length > 0 && edge.snippet.map(({ text, hit }, index) => (hit ? <mark key={String(index)}>{text}</mark> : text))}
              />
            ))}
          </ol>
          <div class="below-list">
            <p class="hint" role="status">
              {status}
              {result?.after && result.backTo && ` ${words.backTo(dayNameOf(result.backTo))}`}
              {result && !result.complete && ` ${words.incomplete}`}
            </p>
            <FormError>{problem}</FormError>
            {(result?.after || problem) && (
              <button class="btn small" type="button" aria-busy={busy} onClick={() => void read(problem ? null : (result?.after ?? null))}>
                {problem ? common.tryAgain : words.more}
              </button>
            )}
          </div>
        </div>
      </div>
    </main>
  );
}

function Filters({ of: { chatId, from, has, since, until }, onChange }: { of: Wanted; onChange: (part: Partial<Wanted>) => void }) {
  const { search: words } = texts.value;
  const chat = chatOfId(chatId);
  const others = chat
    ? chat.__typename === 'Room'
      ? [...chat.members.keys()]
      : [chat.peerId]
    : myChats.value.flatMap((each) => (each.__typename === 'Dialog' ? [each.peerId] : [...each.members.keys()]));
  const people = [...new Set([from, ...others])]
    .filter((id) => id !== '' && id !== state.value.meId)
    .flatMap((id) => personOf(id) ?? [])
    .sort((a, b) => a.displayName.localeCompare(b.displayName))
    .slice(0, mostPeople);
  return (
    <div class="filters">
      <label>
        <span>{words.where}</span>
        <select class="input" value={chatId} onChange={({ currentTarget }) => onChange({ chatId: currentTarget.value, from: '' })}>
          <option value="">{words.everywhere}</option>
          {chatId !== '' && !chat?.my && <option value={chatId}>{chat ? chatName(chat) : words.thisChat}</option>}
          {myChats.value.map((each) => (
            <option key={each.id} value={each.id}>
              {chatName(each)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{words.from}</span>
        <select class="input" value={from} onChange={({ currentTarget }) => onChange({ from: currentTarget.value })}>
          <option value="">{words.anybody}</option>
          {me.value && <option value={me.value.id}>{texts.value.message.you}</option>}
          {people.map(({ id, displayName }) => (
            <option key={id} value={id}>
              {displayName}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{words.has}</span>
        <select class="input" value={has} onChange={({ currentTarget }) => onChange({ has: currentTarget.value as Has | '' })}>
          <option value="">{words.anything}</option>
          <option value="IMAGE">{words.pictures}</option>
          <option value="ATTACHMENT">{words.files}</option>
          <option value="LINK">{words.links}</option>
        </select>
      </label>
      <label>
        <span>{words.since}</span>
        <input class="input" type="date" value={since} onChange={({ currentTarget }) => onChange({ since: currentTarget.value })} />
      </label>
      <label>
        <span>{words.until}</span>
        <input class="input" type="date" value={until} onChange={({ currentTarget }) => onChange({ until: currentTarget.value })} />
      </label>
    </div>
  );
}
