/** A question before something that cannot be undone. The focus is on the harmless button; Esc closes; what went wrong stands above the buttons. */
import { signal } from '@preact/signals';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { sentenceOf } from '../texts/errors.ts';
import { FormError } from './fields.tsx';

type Question = {
  title: string;
  text: string;
  /** Verbs that repeat the question. */
  yes: string;
  no: string;
  danger?: boolean;
  /** Answers what to tell when it could not be done, otherwise null. */
  act: () => Promise<string | null>;
};

const asked = signal<(Question & { done: () => void }) | null>(null);

/** Resolves when the question is closed, one way or the other. */
export function confirm(question: Question): Promise<void> {
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      done: () => {
        asked.value = null;
        resolve();
      },
    };
  });
}

/** Stands once in the page. */
export function Confirm() {
  const question = asked.value;
  return question && <Dialog key={question.title} {...question} />;
}

function Dialog({ title, text, yes, no, danger, act, done }: Question & { done: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  async function agree(): Promise<void> {
    if (busy) return;
    setBusy(true);
    const failed = await act().catch((thrown: unknown) => sentenceOf(thrown));
    if (failed === null) return done();
    setProblem(failed);
    setBusy(false);
  }
  return (
    <dialog class="confirm" ref={dialog} aria-labelledby="confirm-title" aria-describedby="confirm-text" onClose={done}>
      <h2 id="confirm-title">{title}</h2>
      <p id="confirm-text" dir="auto">
        {text}
      </p>
      <FormError>{problem}</FormError>
      <div class="row-btns">
        <button class="btn text" type="button" autofocus onClick={done}>
          {no}
        </button>
        <button class={danger ? 'btn danger primary' : 'btn primary'} type="button" aria-busy={busy} onClick={() => void agree()}>
          {yes}
        </button>
      </div>
    </dialog>
  );
}
