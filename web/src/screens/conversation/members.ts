/** Who is in a room, online and away apart: the first of many, and more when asked. Read anew when somebody comes, goes, or gets another role. */
import { batch } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { RoomMembersQuery, RoomMembersQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { withPeople } from '../../state/merge.ts';
import type { Member, Room } from '../../state/state.ts';
import { line, personOf, presenceOf, readInto, setPresence } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';

const membersDocument = operation<RoomMembersQuery, RoomMembersQueryVariables>(/* GraphQL */ `
  query RoomMembers($id: ID!, $online: Boolean!, $first: Int!, $after: String) {
    chat(id: $id) {
      id
      ... on Room {
        members(online: $online, first: $first, after: $after) {
          totalCount
          nodes { ...MemberFields user { presence { online lastSeenAt } } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }
  }
`);
const mostOfPage = 100;
const firstOnes = 20;
const againAfterMs = 300;

type Role = Member['role'];
export type Found = { id: string; role: Role };
type List = { people: readonly Found[]; total: number };
export type Place = 'online' | 'away';
type Lists = Record<Place, List>;
/** What is loaded; null lists are not for the viewer. */
export type Members = { lists: Lists | null; problem: string | null; isReading: boolean; more: (place: Place) => void; all: () => void; again: () => void };

/** Nobody looks through more than these at once. */
const mostAtOnce = 500;
const mostSearched = 1_000;

export function useMembers(room: Room): Members {
  const [lists, setLists] = useState<Lists | null>(null);
  const [isReading, setReading] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  const [want, setWant] = useState({ online: firstOnes, away: firstOnes });
  const [tries, setTries] = useState(0);
  const first = useRef(true);
  const roles = [...room.members.values()].map(({ userId, role }) => `${userId}${role}`).join();

  useEffect(() => {
    let isOver = false;
    const timer = setTimeout(
      () => {
        setReading(true);
        Promise.all([read(room.id, true, want.online), read(room.id, false, want.away)]).then(
          ([online, away]) => {
            if (isOver) return;
            setLists(online && away ? { online, away } : null);
            setProblem(null);
            setReading(false);
          },
          (thrown: unknown) => {
            if (isOver) return;
            setProblem(sentenceOf(thrown));
            setReading(false);
          },
        );
      },
      first.current ? 0 : againAfterMs,
    );
    first.current = false;
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [room.id, room.memberCount, roles, room.my === null, line.value, want, tries]);

  return {
    lists: lists && settled(room, lists),
    problem,
    isReading,
    more: (place) => setWant({ ...want, [place]: want[place] + mostAtOnce }),
    all: () => want.away < mostSearched && setWant({ online: mostSearched, away: mostSearched }),
    again: () => setTries(tries + 1),
  };
}

/** Whoever came online or went since is in the other list, and roles are as they are now. Owners and admins stand first. */
function settled(room: Room, { online, away }: Lists): Lists {
  const isOnline = (id: string, before: boolean): boolean => presenceOf(id)?.online ?? before;
  const went = online.people.filter(({ id }) => !isOnline(id, true));
  const came = away.people.filter(({ id }) => isOnline(id, false));
  const list = (stay: readonly Found[], others: readonly Found[], total: number): List => ({
    people: [...stay, ...others]
      .map((each) => ({ ...each, role: room.members.get(each.id)?.role ?? each.role }))
      .filter(({ id }) => personOf(id) !== null)
      .sort((a, b) => rank[a.role] - rank[b.role]),
    total,
  });
  return {
    online: list(
      online.people.filter((each) => !went.includes(each)),
      came,
      online.total - went.length + came.length,
    ),
    away: list(
      away.people.filter((each) => !came.includes(each)),
      went,
      away.total - came.length + went.length,
    ),
  };
}

const rank: Record<Role, number> = { OWNER: 0, ADMIN: 1, MEMBER: 2 };

async function read(id: string, online: boolean, want: number): Promise<List | null> {
  const people: Found[] = [];
  for (let after: string | null = null; ; ) {
    const size: number = Math.min(mostOfPage, want - people.length);
    const { chat }: RoomMembersQuery = await readInto(
      () => ask(membersDocument, { id, online, first: size, after }),
      (before, data) => withPeople(before, membersIn(data)?.nodes.map(({ user }) => user) ?? []),
    );
    const page = membersIn({ chat });
    if (!page) return null;
    batch(() => {
      for (const { user } of page.nodes) setPresence(user.id, user.presence);
    });
    people.push(...page.nodes.map(({ user, role }) => ({ id: user.id, role })));
    after = page.pageInfo.endCursor;
    if (!page.pageInfo.hasNextPage || people.length >= want) return { people, total: page.totalCount ?? people.length };
  }
}

const membersIn = ({ chat }: RoomMembersQuery) => (chat && 'members' in chat ? chat.members : null);
