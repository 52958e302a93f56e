/** The people one has put down. More are found among everybody. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { writeTo } from '../../actions-people.ts';
import { keepAsContact, readContactsPresence } from '../../contacts.ts';
import { FormError } from '../../parts/fields.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { line, personOf, state } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { Presence } from '../person-presence.tsx';
import { Part } from './part.tsx';

const atFirst = 5;

export function Contacts() {
  const { you, people: words } = texts.value;
  const [all, showAll] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const people = state.value.account.contactIds.flatMap((id) => personOf(id) ?? []).sort((a, b) => a.displayName.localeCompare(b.displayName));
  const shown = all ? people : people.slice(0, atFirst);

  useEffect(() => {
    void readContactsPresence().catch(() => {});
  }, [line.value]);

  async function run(job: () => Promise<string | null>): Promise<void> {
    setProblem(await job().catch((thrown: unknown) => sentenceOf(thrown)));
  }
  async function remove(id: string, at: number): Promise<string | null> {
    const failure = await keepAsContact(id, false);
    // The focus goes to the neighbour.
    requestAnimationFrame(() => {
      const rows = list.current?.children ?? [];
      const next = rows[Math.min(at, rows.length - 1)]?.querySelector<HTMLElement>('button') ?? document.querySelector<HTMLElement>('#find-people');
      next?.focus();
    });
    return failure && sentenceOf(failure);
  }

  return (
    <Part title={you.contacts}>
      <div class="stack">
        {people.length === 0 && <p class="hint">{you.noContacts}</p>}
        {people.length > 0 && (
          <ul class="list bare" ref={list}>
            {shown.map((person, at) => (
              <li key={person.id}>
                <PersonPicture id={person.id} size="m" presence />
                <div>
                  <h3>
                    <bdi>{person.displayName}</bdi>
                  </h3>
                  <small>
                    <Presence person={person} />
                  </small>
                </div>
                <span class="row-btns">
                  <button class="btn small" type="button" aria-label={words.writeTo(person.displayName)} onClick={() => void run(() => writeTo(person.id))}>
                    {words.write}
                  </button>
                  <button class="btn small text" type="button" aria-label={you.removeContact(person.displayName)} onClick={() => void run(() => remove(person.id, at))}>
                    {you.remove}
                  </button>
                </span>
              </li>
            ))}
          </ul>
        )}
        <FormError>{problem}</FormError>
        <div class="row-btns">
          {people.length > shown.length && (
            <button class="btn small" type="button" onClick={() => showAll(true)}>
              {you.showAll(people.length)}
            </button>
          )}
          <a class="btn small" id="find-people" href="/people">
            {you.findPeople}
          </a>
        </div>
      </div>
    </Part>
  );
}
