/** About a room, beside its conversation: what it is, who is in it and who of them is online, and what the viewer may do about that. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { writeTo } from '../../actions-people.ts';
import { announce } from '../../parts/announcer.tsx';
import { confirm } from '../../parts/confirm.tsx';
import { FormError } from '../../parts/fields.tsx';
import { Icon, type IconName } from '../../parts/icon.tsx';
import { Menu, type MenuItem } from '../../parts/menu.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { SearchField } from '../../parts/search.tsx';
import { leaveRoom, type Role, removeMember, setRole } from '../../rooms.ts';
import { addressOf, go } from '../../route.ts';
import type { Room } from '../../state/state.ts';
import type { Failure } from '../../state/types.ts';
import { personOf, presenceOf, state } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { numberOf, shortTimeOf } from '../../texts/times.ts';
import { useJoin } from '../rooms/join.tsx';
import { isAddress, joinAddressOf } from '../rooms/links.ts';
import { type Found, type Place, useMembers } from './members.ts';
import { MyView } from './my-view.tsx';
import { AddPeople, Rename } from './panel-dialogs.tsx';
import { PanelFrame } from './panel-frame.tsx';

const findFrom = 8;

export function Panel({ room }: { room: Room }) {
  const { rooms: words, common } = texts.value;
  const members = useMembers(room);
  const [search, setSearch] = useState('');
  const [dialog, setDialog] = useState<'add' | 'rename' | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const manages = room.my?.role === 'OWNER' || room.my?.role === 'ADMIN';
  const folded = search.trim().toLocaleLowerCase();

  useEffect(() => {
    if (folded !== '') members.all();
  }, [folded]);

  const fits = ({ id }: Found): boolean => {
    const person = personOf(id);
    return folded === '' || (person !== null && `${person.displayName}\n${person.username}`.toLocaleLowerCase().includes(folded));
  };
  const lists = (['online', 'away'] as const).map((place) => {
    const { people = [], total = 0 } = members.lists?.[place] ?? {};
    return { place, people: people.filter(fits), total, hidden: total - people.length };
  });
  const isNobody = folded !== '' && !members.isReading && lists.every(({ people }) => people.length === 0);

  return (
    <>
      <PanelFrame
        chat={room}
        title={words.about}
        label={words.members}
        actions={
          manages && (
            <button class="ib" type="button" aria-label={words.rename} title={words.rename} onClick={() => setDialog('rename')}>
              <Icon name="edit" />
            </button>
          )
        }
      >
        <div class="about">
          {room.topic && <p dir="auto">{room.topic}</p>}
          <Facts room={room} />
          {!room.my && <Join room={room} />}
          {room.my && (
            <div class="row-btns">
              {manages && (
                <button class="btn small" type="button" onClick={() => setDialog('add')}>
                  {words.addPeople}
                </button>
              )}
              {manages && (
                <a class="btn small text" href={addressOf('room', room.id, 'settings')}>
                  {words.settings}
                </a>
              )}
              {!room.everyone && (
                <button class={manages ? 'btn small text' : 'btn small'} type="button" onClick={() => askToLeave(room)}>
                  {words.leave}
                </button>
              )}
            </div>
          )}
        </div>
        {room.my && <MyView chat={room} />}
        <h3>
          {words.members} <span class="num">{numberOf(room.memberCount)}</span>
        </h3>
        {room.memberCount >= findFrom && members.lists && <SearchField label={words.findMember} value={search} onValue={setSearch} />}
        {!members.lists && !members.isReading && !members.problem && <p class="hint inset">{words.onlyMembersSee}</p>}
        {(members.problem || problem) && (
          <div class="inset">
            <FormError>{members.problem ?? problem}</FormError>
            {members.problem && (
              <button class="btn small" type="button" onClick={members.again}>
                {common.tryAgain}
              </button>
            )}
          </div>
        )}
        {lists.map(
          ({ place, people, total, hidden }) =>
            people.length > 0 && (
              <section key={place} aria-labelledby={`members-${place}`}>
                <h3 id={`members-${place}`}>
                  {place === 'online' ? words.onlineTitle : words.awayTitle} <span class="num">{numberOf(folded === '' ? total : people.length)}</span>
                </h3>
                <ul class="people">
                  {people.map((member) => (
                    <Row key={member.id} room={room} member={member} place={place} onProblem={setProblem} />
                  ))}
                  {hidden > 0 && folded === '' && (
                    <li>
                      <button class="link more" type="button" onClick={() => members.more(place)}>
                        {hidden <= 500 ? words.showAll(total) : words.showMore}
                      </button>
                    </li>
                  )}
                </ul>
              </section>
            ),
        )}
        <p class="hint inset" role="status">
          {isNobody ? words.nobodyCalled(search.trim()) : ''}
        </p>
      </PanelFrame>
      {dialog === 'add' && <AddPeople room={room} onClose={() => setDialog(null)} />}
      {dialog === 'rename' && <Rename room={room} onClose={() => setDialog(null)} />}
    </>
  );
}

function Join({ room }: { room: Room }) {
  const { rooms: words } = texts.value;
  const { join, busy, problem, dialog } = useJoin();
  return (
    <>
      <div class="row-btns">
        <button class="btn small" type="button" aria-busy={busy !== null} onClick={() => void join(room)}>
          {busy ? words.joining : room.passwordRequired ? words.joinPassword : words.join}
        </button>
      </div>
      <FormError>{problem?.text}</FormError>
      {dialog}
    </>
  );
}

function Facts({ room }: { room: Room }) {
  const { rooms: words } = texts.value;
  const seen: [IconName, string] =
    room.visibility === 'PRIVATE'
      ? ['lock', words.privateFact]
      : room.passwordRequired
        ? ['key', words.passwordFact]
        : ['globe', room.everyone ? words.everyoneFact : words.publicFact];
  const facts: [IconName, string][] = [seen];
  if (room.visibility === 'PRIVATE' && room.passwordRequired) facts.push(['key', words.withPassword]);
  if (room.postPolicy === 'ANYONE') facts.push(['edit', words.anyoneFact]);
  if (room.capacity !== null) facts.push(['people', words.limitFact(room.capacity)]);
  return (
    <ul class="facts">
      {facts.map(([icon, text]) => (
        <li key={text}>
          <Icon name={icon} class="s" />
          {text}
        </li>
      ))}
      {room.link && <LinkFact link={room.link} />}
    </ul>
  );
}

function LinkFact({ link }: { link: string }) {
  const { rooms: words } = texts.value;
  if (isAddress(link))
    return (
      <li>
        <Icon name="link" class="s" />
        <a href={link} target="_blank" rel="noopener noreferrer">
          {link}
        </a>
      </li>
    );
  const address = joinAddressOf(link);
  const copy = (): void =>
    void navigator.clipboard.writeText(`${location.origin}${address}`).then(
      () => announce(words.linkCopied),
      () => {},
    );
  return (
    <li>
      <Icon name="link" class="s" />
      <a href={address}>{link}</a>
      {navigator.clipboard && (
        <button class="ib" type="button" aria-label={words.copyLink} title={words.copyLink} onClick={copy}>
          <Icon name="copy" class="s" />
        </button>
      )}
    </li>
  );
}

function Row({ room, member: { id, role }, place, onProblem }: { room: Room; member: Found; place: Place; onProblem: (problem: string | null) => void }) {
  const { rooms: words, common } = texts.value;
  const name = personOf(id)?.displayName ?? '';
  const isMe = id === state.value.meId;
  const seen = place === 'away' ? presenceOf(id)?.lastSeenAt : null;
  const tag = [isMe ? words.you : null, role === 'OWNER' ? words.owner : role === 'ADMIN' ? words.admin : null].filter(Boolean).join(' · ') || (seen ? shortTimeOf(seen) : '');
  const items = isMe ? itemsForMe(room) : itemsFor(room, { id, role }, name, onProblem);
  const face = (
    <>
      <PersonPicture id={id} presence />
      <span class="n clip">
        <bdi>{name}</bdi>
        {place === 'online' && <span class="vh">, {common.online}</span>}
      </span>
      <span class="tag">{tag}</span>
    </>
  );
  const row = useRef<HTMLLIElement>(null);
  useLayoutEffect(() => {
    const shown = row.current;
    return () => {
      // Removed while it has the focus: its neighbour takes it.
      if (!shown?.contains(document.activeElement)) return;
      const others = [...(shown.closest('.panel')?.querySelectorAll<HTMLElement>('button.person') ?? [])].filter((button) => !shown.contains(button));
      const after = others.find((button) => shown.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING);
      requestAnimationFrame(() => [after, others.at(-1), document.getElementById('about')].find((each) => each?.isConnected)?.focus());
    };
  }, []);
  return <li ref={row}>{items.length === 0 ? <div class="person">{face}</div> : <Menu label={words.actionsFor(name)} button={face} buttonClass="person" items={items} />}</li>;
}

// ---------------------------------------------------------------- what may be done, by the viewer's role

function itemsFor(room: Room, { id, role }: Found, name: string, onProblem: (problem: string | null) => void): MenuItem[] {
  const { rooms: words } = texts.value;
  const mine = room.my?.role;
  const at = (doing: () => Promise<Failure | string | null>) => () => void tried(doing, onProblem);
  const items: MenuItem[] = [{ icon: 'chats', text: words.write, act: at(() => writeTo(id)) }];
  const become = (as: Role) => at(() => setRole(room.id, id, as));
  if (mine === 'OWNER') {
    if (role !== 'ADMIN') items.push({ icon: 'people', text: words.makeAdmin, act: become('ADMIN') });
    if (role !== 'MEMBER') items.push({ icon: 'person', text: words.makeMember, act: become('MEMBER') });
    if (role !== 'OWNER')
      items.push({
        icon: 'key',
        text: words.makeOwner,
        act: () => ask({ title: words.makeOwnerTitle(name), text: words.makeOwnerText, yes: words.makeOwner, no: words.notNow }, () => setRole(room.id, id, 'OWNER')),
      });
  }
  if (!room.everyone && (mine === 'OWNER' || (mine === 'ADMIN' && role === 'MEMBER'))) {
    const taken = async (ban: boolean): Promise<Failure | null> => removeMember(room.id, id, ban);
    items.push(
      {
        icon: 'close',
        text: words.remove,
        danger: true,
        act: () => ask({ title: words.removeTitle(name), text: words.removeText, yes: words.removeYes, no: words.notNow, danger: true }, () => taken(false)),
      },
      {
        icon: 'lock',
        text: words.ban,
        danger: true,
        act: () => ask({ title: words.banTitle(name), text: words.banText, yes: words.banYes, no: words.notNow, danger: true }, () => taken(true)),
      },
    );
  }
  return items;
}

function itemsForMe(room: Room): MenuItem[] {
  const { rooms: words } = texts.value;
  if (room.my?.role !== 'OWNER') return [];
  const me = state.value.meId;
  return [
    {
      icon: 'person',
      text: words.stepDown,
      act: () => ask({ title: words.stepDownTitle, text: words.stepDownText, yes: words.stepDown, no: words.notNow }, () => setRole(room.id, me, 'MEMBER')),
    },
  ];
}

async function tried(doing: () => Promise<Failure | string | null>, onProblem: (problem: string | null) => void): Promise<void> {
  onProblem(null);
  try {
    const failed = await doing();
    if (failed) onProblem(typeof failed === 'string' ? failed : sentenceOf(failed));
  } catch (thrown) {
    onProblem(sentenceOf(thrown));
  }
}

function ask(question: { title: string; text: string; yes: string; no: string; danger?: boolean }, doing: () => Promise<Failure | null>): void {
  void confirm({
    ...question,
    act: async () => {
      const failure = await doing();
      return failure && sentenceOf(failure);
    },
  });
}

function askToLeave(room: Room): void {
  const { rooms: words } = texts.value;
  const text = room.memberCount === 1 ? words.leaveLast : room.visibility === 'PRIVATE' ? words.leavePrivate : words.leaveText;
  ask({ title: words.leaveTitle(room.name), text, yes: words.leave, no: words.stay, danger: true }, async () => {
    const failure = await leaveRoom(room.id);
    if (!failure) go('/', { replace: true });
    return failure;
  });
}
