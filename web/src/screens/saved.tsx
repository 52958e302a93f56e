/** What the viewer has saved, on whichever device: the latest saved first, with what they wrote beside it. What is shown stays until it is read anew, so that Back finds it again. */
import { signal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../ask.ts';
import type { SavedQuery, SavedQueryVariables } from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { alarm } from '../parts/announcer.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { FormError } from '../parts/fields.tsx';
import { DialogButtons, useForm } from '../parts/form.tsx';
import { Icon } from '../parts/icon.tsx';
import { ListBones } from '../parts/list-bones.tsx';
import { setNote, setSaved } from '../saved.ts';
import { withPeople } from '../state/merge.ts';
import type { Item } from '../state/types.ts';
import { line, news, phase, readInto } from '../store.ts';
import { sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';
import { Hit } from './hit.tsx';

const savedDocument = operation<SavedQuery, SavedQueryVariables>(/* GraphQL */ `
  query Saved($first: Int!, $after: String) {
    savedMessages(first: $first, after: $after) {
      nodes { note message { id seq text createdAt sender { ...PersonFields } chat { id name } attachments { image { id } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const page = 30;
/** The server gives so many at once. */
const mostAtOnce = 100;
/** What happens together is read together. */
const againAfterMs = 250;
const mostNote = 500;

type Saved = NonNullable<SavedQuery['savedMessages']>['nodes'][number];
type Kept = { all: readonly Saved[]; after: string | null };
const kept = signal<Kept | null>(null);

phase.subscribe(({ is }) => {
  if (is === 'out') kept.value = null;
});

/** Whether the list may be another now. What comes with a chat comes back into it, what goes with one goes. */
function concerns(item: Item): boolean {
  if (item.__typename === 'MessageEdited' || item.__typename === 'MessageDeleted') return kept.peek()?.all.some(({ message }) => message.id === item.message.id) ?? false;
  return item.__typename === 'SavedMessagesChanged' || item.__typename === 'ChatAdded' || item.__typename === 'ChatRemoved';
}

export function SavedMessages() {
  const { saved: words, message: ofMessage, shelf, common, app } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [noting, setNoting] = useState<Saved | null>(null);
  const list = useRef<HTMLOListElement>(null);
  const asked = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  /** So many are to be shown: a page more may be overtaken by a list that is read anew. */
  const wanted = useRef(page);
  /** Which of them gets the focus when it stands. */
  const aim = useRef<number | null>(null);

  useEffect(() => {
    if (line.value === 'on' || kept.peek() === null) void read();
  }, [line.value]);
  useSignalEffect(() => {
    if (!news.value.some(concerns)) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void read();
    }, againAfterMs);
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  useLayoutEffect(() => {
    if (aim.current === null) return;
    const links = list.current?.querySelectorAll<HTMLElement>('a') ?? [];
    (links[Math.min(aim.current, links.length - 1)] ?? document.querySelector<HTMLElement>('main h1'))?.focus();
    aim.current = null;
  }, [kept.value]);

  /** As many as are shown, or from where the list ends one page more. */
  async function read(begun: Kept | null = null): Promise<void> {
    const turn = ++asked.current;
    const most = Math.max(wanted.current, kept.peek()?.all.length ?? 0);
    let next: Kept = begun ?? { all: [], after: null };
    try {
      do {
        const { after } = next;
        const first = Math.min(mostAtOnce, most - next.all.length);
        const { savedMessages } = await readInto(
          () => ask(savedDocument, { first, after }),
          (before, data) => withPeople(before, data.savedMessages?.nodes.map(({ message }) => message.sender) ?? []),
        );
        if (turn !== asked.current || !savedMessages) return;
        const { nodes, pageInfo } = savedMessages;
        next = { all: [...next.all, ...nodes], after: pageInfo.hasNextPage ? pageInfo.endCursor : null };
      } while (next.after !== null && next.all.length < most);
      kept.value = next;
      setProblem(null);
    } catch (thrown) {
      if (turn === asked.current) setProblem(sentenceOf(thrown));
    }
  }

  async function more(): Promise<void> {
    const { value: begun } = kept;
    if (busy || !begun) return;
    setBusy(true);
    aim.current = begun.all.length;
    wanted.current = begun.all.length + page;
    await read(begun);
    setBusy(false);
  }

  async function remove({ message }: Saved): Promise<void> {
    const why = await setSaved(message.chat.id, message, false);
    setProblem(why);
    if (why) return alarm(why);
    const { value: before } = kept;
    if (!before) return;
    aim.current = before.all.findIndex((each) => each.message.id === message.id);
    kept.value = { ...before, all: before.all.filter((each) => each.message.id !== message.id) };
  }

  const { value: shown } = kept;
  return (
    <main class="pane">
      <header class="bar">
        <a class="ib only-phone" href="/" aria-label={app.toChats}>
          <Icon name="back" class="flip" />
        </a>
        <h1 class="grow" tabIndex={-1}>
          {shelf.saved}
        </h1>
      </header>
      <div class="scroll">
        <div class="column page">
          {!shown && !problem && <ListBones label={words.loading} rows={5} face="av m bone" lines={['w1', 'w3']} />}
          {shown && shown.all.length > 0 && (
            <ol class="list found" ref={list}>
              {shown.all.map((each) => (
                <Hit
                  key={each.message.id}
                  of={each.message}
                  text={each.message.text}
                  below={
                    each.note && (
                      <p class="beside-note" dir="auto">
                        <Icon name="edit" class="s" label={words.note} />
                        {each.note}
                      </p>
                    )
                  }
                  actions={
                    <div class="row-btns">
                      <button
                        class="ib"
                        type="button"
                        aria-haspopup="dialog"
                        aria-label={each.note ? words.changeNote : words.addNote}
                        title={each.note ? words.changeNote : words.addNote}
                        onClick={() => setNoting(each)}
                      >
                        <Icon name="edit" />
                      </button>
                      <button class="ib" type="button" aria-label={ofMessage.unsave} title={ofMessage.unsave} onClick={() => void remove(each)}>
                        <Icon name="close" />
                      </button>
                    </div>
                  }
                />
              ))}
            </ol>
          )}
          <div class="below-list">
            <p class="hint" role="status">
              {shown?.all.length === 0 ? words.none : ''}
            </p>
            <FormError>{problem}</FormError>
            {(shown?.after || (problem && !shown)) && (
              <button class="btn small" type="button" aria-busy={busy} onClick={() => void (shown ? more() : read())}>
                {shown ? words.more : common.tryAgain}
              </button>
            )}
          </div>
        </div>
      </div>
      {noting && <Note of={noting} onClose={() => setNoting(null)} />}
    </main>
  );
}

function Note({ of: { message, note }, onClose }: { of: Saved; onClose: () => void }) {
  const { saved: words, common } = texts.value;
  const { busy, submit, fields, problem } = useForm(async ({ note: text = '' }) => {
    const failure = await setNote(message.id, text);
    if (!failure) onClose();
    return failure;
  });
  return (
    <Dialog title={note ? words.changeNote : words.addNote} onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <div class="field">
          <textarea
            class="input"
            name="note"
            rows={3}
            dir="auto"
            autofocus
            aria-label={words.note}
            maxLength={mostNote}
            defaultValue={note ?? ''}
            aria-invalid={fields.note ? true : undefined}
          />
        </div>
        <FormError>{problem ?? fields.note}</FormError>
        <DialogButtons busy={busy} busyText={common.saving} onClose={onClose}>
          {common.save}
        </DialogButtons>
      </form>
    </Dialog>
  );
}
