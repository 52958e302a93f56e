/** What is said of a person in lists: the name to find them by, and whether they are here. */
import { presenceOf } from '../store.ts';
import { texts } from '../texts/texts.ts';
import { agoOf } from '../texts/times.ts';

export function Presence({ person: { id, username } }: { person: { id: string; username: string } }) {
  const { common, chat } = texts.value;
  const presence = presenceOf(id);
  const about = presence?.online ? common.online : presence?.lastSeenAt ? chat.lastSeen(agoOf(presence.lastSeenAt)) : '';
  return (
    <>
      <bdi>@{username}</bdi>
      {about && ` · ${about}`}
    </>
  );
}
