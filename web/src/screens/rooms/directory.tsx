/** All rooms that the viewer can see: those they are in, and the public ones, which can be looked into and joined. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { DirectoryQuery, DirectoryQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { Icon } from '../../parts/icon.tsx';
import { ListBones } from '../../parts/list-bones.tsx';
import { Face } from '../../parts/picture.tsx';
import { SearchField, Tabs } from '../../parts/search.tsx';
import { addressOf } from '../../route.ts';
import { chatOfId, line } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { useJoin } from './join.tsx';
import { linkIn } from './links.ts';

const directoryDocument = operation<DirectoryQuery, DirectoryQueryVariables>(/* GraphQL */ `
  query Directory($filter: RoomFilterInput!, $after: String, $link: String!, $byLink: Boolean!) {
    rooms(first: 50, after: $after, filter: $filter) { totalCount nodes { ...ChatFields onlineCount } pageInfo { hasNextPage endCursor } }
    linked: room(ref: { link: $link }) @include(if: $byLink) { ...ChatFields onlineCount }
  }
`);
const askAfterMs = 150;
type Show = 'all' | 'open' | 'mine';
type Node = NonNullable<DirectoryQuery['rooms']>['nodes'][number];
/** `for`: what was asked. */
type Found = { for: string; nodes: readonly Node[]; total: number; after: string | null };

export function Directory() {
  const { rooms: words, common } = texts.value;
  const [show, setShow] = useState<Show>('all');
  const [search, setSearch] = useState('');
  const [found, setFound] = useState<Found | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const wanted = useRef('');
  const { join, busy, problem: refused, dialog } = useJoin();
  const name = search.trim();
  const key = `${show} ${name}`;

  useEffect(() => {
    wanted.current = key;
    const timer = setTimeout(() => void read(null), name === '' ? 0 : askAfterMs);
    return () => clearTimeout(timer);
  }, [key, line.value]);

  async function read(after: string | null): Promise<void> {
    const filter = { nameContains: name || null, joinable: show === 'open' ? true : null, joined: show === 'all' ? null : show === 'mine' };
    const link = after === null ? linkIn(name) : null;
    try {
      const { rooms, linked } = await ask(directoryDocument, { filter, after, link: link ?? '', byLink: link !== null });
      if (wanted.current !== key || !rooms) return;
      const others = linked && !rooms.nodes.some(({ id }) => id === linked.id) ? [linked] : [];
      const before = after === null ? [] : (found?.nodes ?? []);
      setFound({
        for: key,
        nodes: [...others, ...before, ...rooms.nodes],
        total: (rooms.totalCount ?? rooms.nodes.length) + others.length,
        after: rooms.pageInfo.hasNextPage ? rooms.pageInfo.endCursor : null,
      });
      setProblem(null);
    } catch (thrown) {
      if (wanted.current === key) setProblem(sentenceOf(thrown));
    }
  }

  const isEmpty = found !== null && found.nodes.length === 0 && found.for === key;
  return (
    <main class="pane">
      <header class="bar">
        <h1 class="grow">{words.title}</h1>
        <a class="btn small" href="/rooms/new">
          <Icon name="plus" class="s" />
          {words.create}
        </a>
      </header>
      <div class="scroll">
        <div class="column page">
          <div class="stack lead">
            <SearchField
              label={words.find}
              placeholder={found && found.for === 'all ' && found.total > 0 ? words.findOne(found.total) : words.find}
              value={search}
              onValue={setSearch}
            />
            <Tabs label={texts.value.shelf.show} kinds={['all', 'open', 'mine']} words={words} chosen={show} onChoose={setShow} />
          </div>
          {found === null && !problem ? (
            <ListBones label={words.loading} rows={4} face="av m room bone" lines={['w1', 'w3']} />
          ) : (
            <ul class="list">
              {found?.nodes.map((node) => (
                <Row key={node.id} node={node} busy={busy === node.id} problem={refused?.id === node.id ? refused.text : null} onJoin={() => void join(node)} />
              ))}
            </ul>
          )}
          <div class="below-list">
            <p class="hint" role="status">
              {isEmpty ? (name ? words.noneFound(name) : { all: words.none, open: words.noneOpen, mine: words.noneMine }[show]) : ''}
            </p>
            <FormError>{problem}</FormError>
            {(problem || found?.after) && (
              <button class="btn small" type="button" onClick={() => void read(problem ? null : (found?.after ?? null))}>
                {problem ? common.tryAgain : words.more}
              </button>
            )}
          </div>
        </div>
      </div>
      {dialog}
    </main>
  );
}

function Row({ node, busy, problem, onJoin }: { node: Node; busy: boolean; problem: string | null; onJoin: () => void }) {
  const { rooms: words, chat: chatWords } = texts.value;
  const known = chatOfId(node.id);
  // What the viewer is in, is followed.
  const room = known?.__typename === 'Room' && known.my ? { ...node, ...known } : node.my && known === null ? { ...node, my: null } : node;
  if (room.__typename !== 'Room') return null;
  const address = addressOf('chat', room.id);
  const isFull = room.capacity !== null && room.memberCount >= room.capacity;
  const canRead = room.my !== null || !room.passwordRequired;
  const members = room.capacity !== null && (isFull || room.my) ? words.membersOf(room.memberCount, room.capacity) : chatWords.members(room.memberCount);
  const facts = [
    members,
    room.passwordRequired && !room.my ? words.needsPassword : line.value === 'on' && node.onlineCount > 0 && !isFull ? words.onlineCount(node.onlineCount) : null,
    room.visibility === 'PRIVATE' ? words.private : null,
  ];
  return (
    <li>
      <Face id={room.id} name={room.name} imageId={room.avatar?.id ?? null} size="m" room />
      <div>
        <h2>
          {canRead ? (
            <a class="plain" href={address}>
              <bdi>{room.name}</bdi>
            </a>
          ) : (
            <bdi>{room.name}</bdi>
          )}
          {room.passwordRequired && <Icon name="key" class="s" label={words.withPassword} />}
          {room.visibility === 'PRIVATE' && <Icon name="lock" class="s" label={words.private} />}
        </h2>
        {room.topic && <p dir="auto">{room.topic}</p>}
        <small>{facts.filter(Boolean).join(' · ')}</small>
        <FormError>{problem}</FormError>
      </div>
      {room.my ? (
        <a class="btn small text" href={address} aria-label={words.enterNamed(room.name)}>
          {words.enter}
        </a>
      ) : (
        <div class="row-btns">
          {canRead && (
            <a class="btn small text look" href={address} aria-label={words.lookNamed(room.name)}>
              {words.look}
            </a>
          )}
          {isFull ? (
            <button class="btn small" type="button" aria-disabled="true" title={words.fullOf(room.capacity ?? 0)}>
              {words.full}
            </button>
          ) : (
            <button class="btn small" type="button" aria-busy={busy} aria-label={words.joinNamed(room.name)} onClick={onJoin}>
              {busy ? words.joining : room.passwordRequired ? words.joinPassword : words.join}
            </button>
          )}
        </div>
      )}
    </li>
  );
}
