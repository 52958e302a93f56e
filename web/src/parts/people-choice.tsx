/** Choosing people: a search over everybody on the server, and who is chosen already. */
import { useEffect, useId, useState } from 'preact/hooks';
import { ask } from '../ask.ts';
import type { PeopleChoiceQuery, PeopleChoiceQueryVariables } from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { state } from '../store.ts';
import { sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';
import { FormError } from './fields.tsx';
import { Icon } from './icon.tsx';
import { Face } from './picture.tsx';

const choiceDocument = operation<PeopleChoiceQuery, PeopleChoiceQueryVariables>(/* GraphQL */ `
  query PeopleChoice($query: String, $first: Int!) { registeredUsers(first: $first, filter: { query: $query }) { nodes { ...PersonFields } } }
`);
const askAfterMs = 150;
export type Chosen = PeopleChoiceQuery['registeredUsers'] extends { nodes: readonly (infer Person)[] } | null ? Person : never;

/** `isIn`: who need not be chosen any more. */
export function PeopleChoice({
  label,
  chosen,
  onChange,
  isIn,
}: {
  label: string;
  chosen: readonly Chosen[];
  onChange: (chosen: readonly Chosen[]) => void;
  isIn?: (id: string) => boolean;
}) {
  const id = useId();
  const [search, setSearch] = useState('');
  const [found, setFound] = useState<{ for: string; people: readonly Chosen[] } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const { rooms: words } = texts.value;
  const name = search.trim();

  useEffect(() => {
    let isOver = false;
    const timer = setTimeout(
      () =>
        ask(choiceDocument, { query: name || null, first: name ? 20 : 6 }).then(
          ({ registeredUsers }) => {
            if (isOver) return;
            setFound({ for: name, people: registeredUsers?.nodes ?? [] });
            setProblem(null);
          },
          (thrown: unknown) => !isOver && setProblem(sentenceOf(thrown)),
        ),
      name === '' ? 0 : askAfterMs,
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [name]);

  const people = (found?.people ?? []).filter((person) => person.id !== state.value.meId);
  const toggle = (person: Chosen): void => onChange(chosen.some((each) => each.id === person.id) ? chosen.filter((each) => each.id !== person.id) : [...chosen, person]);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {chosen.length > 0 && (
        <ul class="chips" aria-label={words.chosen}>
          {chosen.map((person) => (
            <li key={person.id}>
              <button type="button" onClick={() => toggle(person)}>
                <Face id={person.id} name={person.displayName} imageId={person.avatar?.id ?? null} size="xs" />
                <bdi>{person.displayName}</bdi>
                <Icon name="close" class="s" label={words.takeOff} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div class="find">
        <Icon name="search" class="s" />
        <input
          class="input"
          id={id}
          type="search"
          placeholder={words.findPeople}
          autocomplete="off"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
          onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
        />
      </div>
      <ul class="people choose">
        {people.map((person) => (
          <li key={person.id}>
            <label>
              <input type="checkbox" checked={isIn?.(person.id) || chosen.some((each) => each.id === person.id)} disabled={isIn?.(person.id)} onChange={() => toggle(person)} />
              <Face id={person.id} name={person.displayName} imageId={person.avatar?.id ?? null} />
              <span class="n clip">
                <bdi>{person.displayName}</bdi>
              </span>
              <span class="tag">{isIn?.(person.id) ? words.alreadyIn : `@${person.username}`}</span>
            </label>
          </li>
        ))}
      </ul>
      <p class="hint" role="status">
        {found && found.for === name && people.length === 0 ? (name ? words.nobodyFound(name) : words.nobodyElse) : ''}
      </p>
      <FormError>{problem}</FormError>
    </div>
  );
}
