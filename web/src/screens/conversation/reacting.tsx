/** What reacting needs once somebody does it: the list of emojis to choose from, and who reacted with what. */
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { ReactorsQuery, ReactorsQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError } from '../../parts/fields.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { SearchField } from '../../parts/search.tsx';
import { withPeople } from '../../state/merge.ts';
import type { Message } from '../../state/state.ts';
import { personOf, readInto, state } from '../../store.ts';
import { type Emoji, emojisIn } from '../../texts/emojis.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { language, locale, texts } from '../../texts/texts.ts';
import { quickEmojis } from '../../turning.ts';
import { picking, react } from './reactions.tsx';

export { toggle } from '../../reactions.ts';

const reactorsDocument = operation<ReactorsQuery, ReactorsQueryVariables>(/* GraphQL */ `
  query Reactors($id: ID!, $first: Int!) {
    message(id: $id) { reactions { emoji count reactions(first: $first) { nodes { user { ...PersonFields } } } } }
  }
`);
const mostNamed = 10;
const mostListed = 50;

type Reactors = { emoji: string; count: number; ids: string[] }[];

async function readReactors(id: string, first: number): Promise<Reactors> {
  const { message } = await readInto(
    () => ask(reactorsDocument, { id, first }),
    (before, data) =>
      withPeople(
        before,
        (data.message?.reactions ?? []).flatMap(({ reactions }) => reactions.nodes.map(({ user }) => user)),
      ),
  );
  return (message?.reactions ?? []).map(({ emoji, count, reactions }) => ({ emoji, count, ids: reactions.nodes.map(({ user }) => user.id) }));
}

/** "You, Ben and 3 others". */
export async function namesOf(id: string, emoji: string): Promise<string> {
  const group = (await readReactors(id, mostNamed)).find((each) => each.emoji === emoji);
  if (!group) return '';
  const { message: words, reactions } = texts.value;
  const names = group.ids.map((each) => (each === state.value.meId ? words.you : (personOf(each)?.displayName ?? '')));
  const others = group.count - names.length;
  return new Intl.ListFormat(locale.value).format(others > 0 ? [...names, reactions.others(others)] : names);
}

export function ReactorsList({ message, onClose }: { message: Message; onClose: () => void }) {
  const { reactions: words, message: ofMessage, common } = texts.value;
  const [groups, setGroups] = useState<Reactors | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(
    () =>
      void readReactors(message.id, mostListed).then(
        (read) => setGroups(read),
        (thrown: unknown) => setProblem(sentenceOf(thrown)),
      ),
    [message.reactions],
  );
  return (
    <Dialog title={words.who} onClose={onClose}>
      <FormError>{problem}</FormError>
      <div class="readers" tabIndex={0} role="region" aria-label={words.who}>
        {groups?.map(({ emoji, count, ids }) => (
          <section key={emoji} aria-label={words.chip(emoji, count)}>
            <h3>
              <span aria-hidden="true">{emoji}</span> <span class="num">{count}</span>
            </h3>
            <ul class="people">
              {ids.map((id) => (
                <li key={id} class="person">
                  <PersonPicture id={id} />
                  <bdi class="n clip">{id === state.value.meId ? ofMessage.you : personOf(id)?.displayName}</bdi>
                </li>
              ))}
            </ul>
            {count > ids.length && <p class="hint">{words.others(count - ids.length)}</p>}
          </section>
        ))}
      </div>
      <div class="row-btns">
        <button class="btn text" type="button" autofocus onClick={onClose}>
          {common.close}
        </button>
      </div>
    </Dialog>
  );
}

/** The list of emojis: those used last, then by groups; a name finds them. Arrows move, Enter takes, Esc closes. From below on a phone, otherwise beside what opened it. */
export function Picker({ message }: { message: Message }) {
  const { reactions: words } = texts.value;
  const dialog = useRef<HTMLDialogElement>(null);
  /** That it has closed is told later, when the next one may be open already. */
  const isGone = useRef(false);
  const [search, setSearch] = useState('');
  const id = useId();
  const all = useMemo(() => emojisIn(language.value), [language.value]);
  const folded = search.trim().toLocaleLowerCase();
  const known = new Map(all.flatMap(({ emojis }) => emojis.map((each) => [each.emoji, each] as const)));
  const recent = quickEmojis(18).flatMap((emoji): Emoji[] => [known.get(emoji) ?? { emoji, name: emoji, words: '' }]);
  const groups = (
    folded === ''
      ? [{ name: words.recent, emojis: recent }, ...all]
      : [{ name: words.found, emojis: all.flatMap(({ emojis }) => emojis.filter((each) => each.words.includes(folded) || each.emoji === folded)) }]
  ).filter(({ emojis }) => emojis.length > 0);
  const mine = new Set(message.reactions.filter((group) => group.mine).map(({ emoji }) => emoji));

  useLayoutEffect(() => {
    const before = document.activeElement;
    const row = before?.closest('article');
    const shown = dialog.current as HTMLDialogElement;
    place(shown, before);
    shown.showModal();
    // Where one touches, the keyboard would cover it.
    shown.querySelector<HTMLElement>(matchMedia('(pointer: coarse)').matches ? '.emojis button' : 'input')?.focus();
    return () => {
      isGone.current = true;
      shown.close();
      const back = before?.isConnected && before !== document.body ? before : row;
      if (back instanceof HTMLElement) back.focus({ preventScroll: true });
    };
  }, []);

  const close = (): void => {
    picking.value = null;
  };
  function take(emoji: string): void {
    close();
    void react(message, emoji);
  }
  function keyed(event: KeyboardEvent): void {
    event.stopPropagation();
    const buttons = [...(dialog.current?.querySelectorAll<HTMLElement>('.emojis button') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    const inField = at < 0;
    if (event.key === 'Enter' && inField && folded !== '') buttons[0]?.click();
    else if (event.key === 'ArrowDown' && inField) buttons[0]?.focus();
    else if (inField) return;
    else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      const next = nextRow(buttons, at, event.key === 'ArrowDown' ? 1 : -1);
      (next ?? (event.key === 'ArrowUp' ? dialog.current?.querySelector<HTMLElement>('input') : null))?.focus();
    } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
      const forward = (event.key === 'ArrowRight') === (getComputedStyle(buttons[at] as HTMLElement).direction === 'ltr');
      buttons[at + (forward ? 1 : -1)]?.focus();
    } else if (event.key === 'Home') buttons[0]?.focus();
    else if (event.key === 'End') buttons.at(-1)?.focus();
    else return;
    event.preventDefault();
  }

  return (
    <dialog
      class="picker"
      ref={dialog}
      aria-labelledby={id}
      onClose={() => isGone.current || close()}
      onClick={({ target }) => target === dialog.current && close()}
      onKeyDown={keyed}
    >
      <div>
        <h2 class="vh" id={id}>
          {words.choose}
        </h2>
        <SearchField label={words.find} value={search} onValue={setSearch} />
        <div class="emojis">
          {groups.map(({ name, emojis }, index) => (
            <section key={name} aria-label={name}>
              <h3>{name}</h3>
              <div>
                {emojis.map((each, position) => (
                  <button
                    key={each.emoji}
                    type="button"
                    tabIndex={index === 0 && position === 0 ? 0 : -1}
                    aria-label={each.name}
                    aria-pressed={mine.has(each.emoji)}
                    title={each.name}
                    onClick={() => take(each.emoji)}
                  >
                    {each.emoji}
                  </button>
                ))}
              </div>
            </section>
          ))}
          <p class="hint" role="status">
            {groups.length === 0 ? words.none(search.trim()) : ''}
          </p>
        </div>
      </div>
    </dialog>
  );
}

/** Beside what opened it, wholly on the screen. On a phone the styles say where it is. */
function place(dialog: HTMLDialogElement, opener: Element | null): void {
  const at = (opener ?? document.body).getBoundingClientRect();
  const [width, height] = [352, 368];
  const x = Math.min(innerWidth - width - 8, Math.max(8, at.right - width));
  const y = at.bottom + 4 + height < innerHeight ? at.bottom + 4 : Math.max(8, at.top - height - 4);
  dialog.style.setProperty('--x', `${x}px`);
  dialog.style.setProperty('--y', `${y}px`);
}

/** The button below or above, as it stands on the screen. */
function nextRow(buttons: readonly HTMLElement[], at: number, by: 1 | -1): HTMLElement | undefined {
  const from = (buttons[at] as HTMLElement).getBoundingClientRect();
  let best: { button: HTMLElement; top: number; aside: number } | undefined;
  for (let index = at + by; buttons[index]; index += by) {
    const button = buttons[index] as HTMLElement;
    const { top, left } = button.getBoundingClientRect();
    if (Math.abs(top - from.top) < 4) continue;
    if (best && Math.abs(top - best.top) > 4) break;
    const aside = Math.abs(left - from.left);
    if (!best || aside < best.aside) best = { button, top, aside };
  }
  return best?.button;
}
