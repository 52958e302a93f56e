/** Everybody who is registered: found by name, written to, put among the contacts. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { writeTo } from '../actions-people.ts';
import { ask } from '../ask.ts';
import { keepAsContact } from '../contacts.ts';
import type { PeopleQuery, PeopleQueryVariables } from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { FormError } from '../parts/fields.tsx';
import { Icon } from '../parts/icon.tsx';
import { ListBones } from '../parts/list-bones.tsx';
import { PersonPicture } from '../parts/picture.tsx';
import { SearchField, Tabs } from '../parts/search.tsx';
import { withPeople } from '../state/merge.ts';
import { line, personOf, readInto, setPresence, state } from '../store.ts';
import { sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';
import { Presence } from './person-presence.tsx';

const page = 50;
const peopleDocument = operation<PeopleQuery, PeopleQueryVariables>(/* GraphQL */ `
  query People($filter: UserFilterInput, $first: Int!, $after: String) {
    registeredUsers(first: $first, after: $after, filter: $filter) {
      totalCount
      nodes { ...PersonFields presence { online lastSeenAt } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const askAfterMs = 150;
/** Who is online is asked again after so long, as long as somebody looks. */
const againMs = 30_000;

const kinds = ['all', 'contacts', 'online'] as const;
type Kind = (typeof kinds)[number];
type Found = { ids: readonly string[]; total: number | null; next: string | null };

export function People() {
  const { people: words, app } = texts.value;
  const [kind, setKind] = useState<Kind>('all');
  const [search, setSearch] = useState('');
  const [found, setFound] = useState<Found | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const asked = useRef(0);
  const list = useRef<HTMLUListElement>(null);
  /** After more have come, the focus goes on with the first of them. */
  const goOnAt = useRef<number | null>(null);
  const name = search.trim();

  async function read(after: string | null): Promise<void> {
    const turn = ++asked.current;
    const filter = { query: name || null, contactsOnly: kind === 'contacts', online: kind === 'online' ? true : null };
    try {
      const { registeredUsers } = await readInto(
        () => ask(peopleDocument, { filter, first: page, after }),
        (before, data) => withPeople(before, data.registeredUsers?.nodes ?? []),
      );
      if (turn !== asked.current || !registeredUsers) return;
      const { nodes, totalCount, pageInfo } = registeredUsers;
      for (const { id, presence } of nodes) setPresence(id, presence);
      const ids = nodes.map(({ id }) => id);
      setFound((before) => ({ ids: after && before ? [...before.ids, ...ids] : ids, total: totalCount, next: pageInfo.hasNextPage ? pageInfo.endCursor : null }));
      setProblem(null);
    } catch (thrown) {
      if (turn === asked.current) setProblem(sentenceOf(thrown));
    }
  }
  useEffect(() => {
    const timer = setTimeout(() => void read(null), found ? askAfterMs : 0);
    return () => clearTimeout(timer);
  }, [name, kind]);
  // Only while one page is shown, and no other is on its way: what was read further down stays where it is.
  const isShort = !busy && (found?.ids.length ?? 0) <= page;
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && isShort && void read(null), againMs);
    return () => clearInterval(timer);
  });
  useEffect(() => {
    if (line.value === 'on' && isShort) void read(null);
  }, [line.value]);

  useLayoutEffect(() => {
    const next = list.current?.children[goOnAt.current ?? -1];
    if (!next) return;
    goOnAt.current = null;
    next.querySelector('button')?.focus();
  }, [found]);

  async function run(job: () => Promise<string | null>): Promise<void> {
    setProblem(await job().catch((thrown: unknown) => sentenceOf(thrown)));
  }
  async function more(): Promise<void> {
    if (busy || !found) return;
    setBusy(true);
    goOnAt.current = found.ids.length;
    await read(found.next);
    setBusy(false);
  }

  const people = (found?.ids ?? []).flatMap((id) => personOf(id) ?? []);
  const none = found && people.length === 0 ? (name ? words.noneFound(name) : kind === 'contacts' ? words.noContacts : kind === 'online' ? words.noneOnline : words.none) : '';
  return (
    <main class="pane">
      <header class="bar">
        <a class="ib only-phone" href="/" aria-label={app.toChats}>
          <Icon name="back" class="flip" />
        </a>
        <h1>{words.title}</h1>
      </header>
      <div class="scroll">
        <div class="column page stack">
          <SearchField label={words.find} value={search} onValue={setSearch} />
          <Tabs label={words.show} kinds={kinds} words={words} chosen={kind} onChoose={setKind} />
          <FormError>{problem}</FormError>
          {!found && !problem && <ListBones label={words.loading} rows={3} face="av m bone" />}
          {people.length > 0 && (
            <ul class="list" ref={list}>
              {people.map((person) => (
                <PersonRow key={person.id} person={person} run={run} />
              ))}
            </ul>
          )}
          <p class={none ? '' : 'hint'} role="status">
            {none || (found?.total ? words.count(found.total) : '')}
          </p>
          {found?.next && (
            <div class="row-btns">
              <button class="btn small" type="button" aria-busy={busy} onClick={() => void more()}>
                {words.more}
              </button>
            </div>
          )}
        </div>
      </div>
    </main>
  );
}

function PersonRow({ person, run }: { person: NonNullable<ReturnType<typeof personOf>>; run: (job: () => Promise<string | null>) => Promise<void> }) {
  const { people: words } = texts.value;
  const isMe = person.id === state.value.meId;
  const isContact = state.value.account.contactIds.includes(person.id);
  const full = [person.firstName, person.lastName].filter(Boolean).join(' ');
  const keep = async (): Promise<string | null> => {
    const failure = await keepAsContact(person.id, !isContact);
    return failure && sentenceOf(failure);
  };
  return (
    <li>
      <PersonPicture id={person.id} size="m" presence />
      <div>
        <h2>
          <bdi>{person.displayName}</bdi>
          {isMe && <span class="tag">{words.you}</span>}
        </h2>
        <small>
          <Presence person={person} />
          {full && full !== person.displayName && (
            <>
              {' · '}
              <bdi>{full}</bdi>
            </>
          )}
        </small>
      </div>
      <span class="row-btns">
        <button class="btn small" type="button" aria-label={isMe ? words.notes : words.writeTo(person.displayName)} onClick={() => void run(() => writeTo(person.id))}>
          {words.write}
        </button>
        {isMe ? (
          <span class="ib" />
        ) : (
          <button
            class="ib"
            type="button"
            aria-pressed={isContact}
            aria-label={words.contact(person.displayName)}
            title={words.contact(person.displayName)}
            onClick={() => void run(keep)}
          >
            <Icon name={isContact ? 'person-in' : 'person-add'} />
          </button>
        )}
      </span>
    </li>
  );
}
