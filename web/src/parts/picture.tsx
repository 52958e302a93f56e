/** The face of a person or a room: its picture, or a monogram in one of eight hues. People are round, rooms are square. */
import { linkOf } from '../links.ts';
import { chatOfId, personOf, presenceOf } from '../store.ts';

type Size = 'm' | 'l' | 'xs';

export function PersonPicture({ id, size, presence = false }: { id: string; size?: Size; presence?: boolean }) {
  const person = personOf(id);
  const online = presence ? (presenceOf(id)?.online ?? null) : null;
  return (
    <Face id={id} name={person?.displayName ?? ''} imageId={person?.avatar?.id ?? null} size={size}>
      {online !== null && <i class="dot" data-off={online ? undefined : ''} />}
    </Face>
  );
}

/** A room's own picture; of a dialog the other's. */
export function ChatPicture({ id, size, presence = false }: { id: string; size?: Size; presence?: boolean }) {
  const chat = chatOfId(id);
  if (chat?.__typename === 'Dialog') return <PersonPicture id={chat.peerId} size={size} presence={presence} />;
  return <Face id={id} name={chat?.name ?? ''} imageId={chat?.avatar?.id ?? null} size={size} room />;
}

/** For whoever is not in the store: rooms of the directory, people in search results. */
export function Face({
  id,
  name,
  imageId,
  size,
  room = false,
  children,
}: {
  id: string;
  name: string;
  imageId: string | null;
  size?: Size | undefined;
  room?: boolean;
  children?: preact.ComponentChildren;
}) {
  const link = imageId === null ? null : linkOf(id, imageId);
  return (
    <span class={`av ${size ?? ''} ${room ? 'room' : ''}`} data-hue={hueOf(id)} aria-hidden="true">
      {link ? <img src={link} alt="" width="80" height="80" draggable={false} /> : monogramOf(name)}
      {children}
    </span>
  );
}

function hueOf(id: string): number {
  let sum = 0x811c9dc5;
  for (const letter of id) sum = Math.imul(sum ^ letter.charCodeAt(0), 0x01000193);
  // Ids that differ in one letter are to differ in the bits that count.
  sum = Math.imul(sum ^ (sum >>> 15), 0x2c1b3c6d);
  return (sum >>> 29) & 7;
}

/** The first letters of the first and last word; one letter where a script has no capitals and no spaces. */
function monogramOf(name: string): string {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => (word ? (/[\p{L}\p{N}]\p{M}*/u.exec(word)?.[0] ?? '') : ''));
  return letters.join('').toLocaleUpperCase();
}
