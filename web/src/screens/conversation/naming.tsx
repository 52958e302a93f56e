/** Finding whom to name: behind an "@" the members whose name or username begins so. Arrows move, Enter or Tab takes, Esc closes; what is typed goes on into the box. */
import type { RefObject } from 'preact';
import { useEffect, useImperativeHandle, useLayoutEffect, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { NameableQuery, NameableQueryVariables } from '../../generated/graphql.ts';
import { keepMembers, mayCallAll, nameableIn } from '../../names.ts';
import { operation } from '../../operation.ts';
import { Icon } from '../../parts/icon.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { withPeople } from '../../state/merge.ts';
import { type Chat, knowsAllMembers } from '../../state/state.ts';
import { personOf, readInto } from '../../store.ts';
import { texts } from '../../texts/texts.ts';

const membersDocument = operation<NameableQuery, NameableQueryVariables>(/* GraphQL */ `
  query Nameable($id: ID!, $after: String) {
    chat(id: $id) { ... on Room { members(first: 100, after: $after) { nodes { user { ...PersonFields } } pageInfo { hasNextPage endCursor } } } }
  }
`);
/** Nobody names somebody out of more than these without typing their name. */
const mostPages = 5;
const mostShown = 6;
/** What stands before the caret, from the last "@" on. */
const begun = /(?:^|[\s(])@([\p{L}\p{N}_.-]*(?: [\p{L}\p{N}_.-]*)?)$/u;

export type NamesHandle = { keyed: (event: KeyboardEvent) => boolean };
type Choice = { id: string; username: string; name: string; hint: string };

const read = new Set<string>();

/** Of a room in which not everybody is known, more of them, once. */
async function readMembers(chat: Chat): Promise<void> {
  if (chat.__typename !== 'Room' || knowsAllMembers(chat) || read.has(chat.id)) return;
  read.add(chat.id);
  let after: string | null = null;
  for (let page = 0; page < mostPages; page++) {
    const { chat: found }: NameableQuery = await readInto(
      () => ask(membersDocument, { id: chat.id, after }),
      (before, data) => withPeople(before, data.chat && 'members' in data.chat ? (data.chat.members?.nodes.map(({ user }) => user) ?? []) : []),
    );
    const members = found && 'members' in found ? found.members : null;
    keepMembers(chat.id, members?.nodes.map(({ user }) => user.id) ?? []);
    if (!members?.pageInfo.hasNextPage) return;
    after = members.pageInfo.endCursor;
  }
}

function choicesFor(chat: Chat, part: string, inThread: boolean): Choice[] {
  const { mentions: words } = texts.value;
  const folded = part.toLocaleLowerCase();
  const people = nameableIn(chat)
    .flatMap((id) => personOf(id) ?? [])
    .filter(({ deleted, username, displayName }) => !deleted && (username.toLowerCase().startsWith(folded) || ` ${displayName.toLocaleLowerCase()}`.includes(` ${folded}`)))
    .sort((a, b) => a.displayName.localeCompare(b.displayName))
    .slice(0, mostShown)
    .map(({ id, username, displayName }): Choice => ({ id, username, name: displayName, hint: `@${username}` }));
  const all =
    inThread || !mayCallAll(chat)
      ? []
      : (['everyone', 'here'] as const).filter((name) => name.startsWith(folded)).map((name): Choice => ({ id: '', username: name, name: `@${name}`, hint: words[name] }));
  return [...people, ...all];
}

export function Names({
  chat,
  inThread,
  text,
  caret,
  box,
  handle,
  onTake,
}: {
  chat: Chat;
  inThread: boolean;
  text: string;
  caret: number;
  box: RefObject<HTMLTextAreaElement | null>;
  handle: RefObject<NamesHandle | null>;
  onTake: (text: string, caret: number) => void;
}) {
  const { mentions: words } = texts.value;
  const part = begun.exec(text.slice(0, caret))?.[1];
  const [closed, setClosed] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const [, redraw] = useState(0);
  const choices = part === undefined || closed === part ? [] : choicesFor(chat, part, inThread);
  const chosen = choices[Math.min(at, choices.length - 1)];
  const id = `${box.current?.id ?? 'box'}-names`;
  const isOpen = choices.length > 0;

  useEffect(() => setAt(0), [part]);
  useEffect(() => {
    if (part === undefined) setClosed(null);
    else
      void readMembers(chat).then(
        () => redraw((count) => count + 1),
        () => read.delete(chat.id),
      );
  }, [part === undefined, chat.id]);
  useLayoutEffect(() => {
    const field = box.current;
    if (!field) return;
    field.setAttribute('aria-autocomplete', 'list');
    if (isOpen) {
      field.setAttribute('aria-controls', id);
      field.setAttribute('aria-activedescendant', `${id}-${choices.indexOf(chosen as Choice)}`);
    }
    return () => {
      field.removeAttribute('aria-controls');
      field.removeAttribute('aria-activedescendant');
    };
  }, [isOpen, chosen?.username]);
  useImperativeHandle(handle, () => ({ keyed }));

  function take({ username }: Choice): void {
    const start = caret - (part ?? '').length;
    const behind = text.slice(caret);
    const space = behind.startsWith(' ') ? '' : ' ';
    onTake(`${text.slice(0, start)}${username}${space}${behind}`, start + username.length + 1);
  }
  function keyed(event: KeyboardEvent): boolean {
    if (!isOpen || !chosen || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') setAt((Math.min(at, choices.length - 1) + (event.key === 'ArrowDown' ? 1 : choices.length - 1)) % choices.length);
    else if (event.key === 'Enter' || event.key === 'Tab') take(chosen);
    else if (event.key === 'Escape') setClosed(part ?? null);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  if (!isOpen) return null;
  return (
    <>
      <div class="names" role="listbox" tabIndex={-1} id={id} aria-label={words.choose}>
        {choices.map((choice, index) => (
          <div
            role="option"
            tabIndex={-1}
            key={choice.username}
            id={`${id}-${index}`}
            aria-selected={choice === chosen}
            onPointerDown={(event) => {
              // The box keeps the focus.
              event.preventDefault();
              take(choice);
            }}
          >
            {choice.id ? <PersonPicture id={choice.id} /> : <Icon name="people" />}
            <bdi class="clip">{choice.name}</bdi>
            <small class="clip">{choice.hint}</small>
          </div>
        ))}
      </div>
      <p class="vh" role="status">
        {words.found(choices.length)}
      </p>
    </>
  );
}
