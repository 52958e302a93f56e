/** A question before something that cannot be undone. The focus is on the harmless button; Esc closes; what went wrong stands above the buttons. */
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { sentenceOf } from '../texts/errors.ts';
import { Dialog } from './dialog.tsx';
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
  return question && <Asked key={question.title} {...question} />;
}

function Asked({ title, text, yes, no, danger, act, done }: Question & { done: () => void }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  async function agree(): Promise<void> {
    if (busy) return;
    setBusy(true);
    const failed = await act().catch((thrown: unknown) => sentenceOf(thrown));
    if (failed === null) return done();
    setProblem(failed);
    setBusy(false);
  }
  return (
    <Dialog title={title} describedBy="confirm-text" onClose={done}>
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
    </Dialog>
  );
}
