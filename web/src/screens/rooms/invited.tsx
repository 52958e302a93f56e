/** Behind a room's short link: what it is, and the way in. Whoever is in it already goes there. */
import { useEffect, useState } from 'preact/hooks';
import { ask, Refused } from '../../ask.ts';
import type { LinkedRoomQuery, LinkedRoomQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { Face } from '../../parts/picture.tsx';
import { addressOf, go } from '../../route.ts';
import { line } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { Missing } from '../missing.tsx';
import type { ScreenProps } from '../screens.tsx';
import { useJoin } from './join.tsx';

const linkedDocument = operation<LinkedRoomQuery, LinkedRoomQueryVariables>(/* GraphQL */ `
  query LinkedRoom($link: String!) { room(ref: { link: $link }) { ...ChatFields } }
`);
type Room = NonNullable<LinkedRoomQuery['room']>;

export function Invited({ parts }: ScreenProps) {
  const [link = ''] = parts;
  const [room, setRoom] = useState<Room | null>(null);
  const [isMissing, setMissing] = useState(false);
  const [unread, setUnread] = useState<string | null>(null);
  const { join, busy, problem, dialog } = useJoin();
  const { rooms: words, chat } = texts.value;

  useEffect(() => {
    ask(linkedDocument, { link }).then(
      (data) => {
        setUnread(null);
        if (data.room?.my) go(addressOf('chat', data.room.id), { replace: true });
        else setRoom(data.room);
        setMissing(data.room === null);
      },
      (thrown: unknown) => (thrown instanceof Refused && thrown.code === 'NOT_FOUND' ? setMissing(true) : setUnread(sentenceOf(thrown))),
    );
  }, [link, line.value]);

  if (isMissing) return <Missing />;
  if (room?.__typename !== 'Room')
    return (
      <main class="pane" aria-busy={!unread}>
        <div />
        <div class="empty">
          <FormError>{unread}</FormError>
        </div>
      </main>
    );
  const isFull = room.capacity !== null && room.memberCount >= room.capacity;
  return (
    <main class="pane">
      <div />
      <div class="scroll">
        <div class="empty">
          <Face id={room.id} name={room.name} imageId={room.avatar?.id ?? null} size="l" room />
          <h1>
            <bdi>{room.name}</bdi>
          </h1>
          {room.topic && <p dir="auto">{room.topic}</p>}
          <p class="hint">
            {[isFull ? words.membersOf(room.memberCount, room.capacity ?? 0) : chat.members(room.memberCount), room.passwordRequired ? words.needsPassword : null]
              .filter(Boolean)
              .join(' · ')}
          </p>
          <div class="row-btns">
            {isFull ? (
              <button class="btn" type="button" aria-disabled="true" title={words.fullOf(room.capacity ?? 0)}>
                {words.full}
              </button>
            ) : (
              <button class="btn primary" type="button" aria-busy={busy !== null} onClick={() => void join(room)}>
                {busy ? words.joining : room.passwordRequired ? words.joinPassword : words.join}
              </button>
            )}
            {!room.passwordRequired && (
              <a class="btn text" href={addressOf('chat', room.id)}>
                {words.look}
              </a>
            )}
          </div>
          <FormError>{problem?.text}</FormError>
        </div>
      </div>
      {dialog}
    </main>
  );
}
