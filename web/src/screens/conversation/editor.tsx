/** Changing a message in its own place. What the server refuses stays here, to be changed again. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { editMessage } from '../../actions.ts';
import { FormError } from '../../parts/fields.tsx';
import type { Place } from '../../places.ts';
import type { Message } from '../../state/state.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { editing } from './message-actions.tsx';

export function Editor({ message, place }: { message: Message; place: Place }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { message: words, common } = texts.value;
  // Before anything else is typed.
  useLayoutEffect(() => {
    box.current?.focus();
    box.current?.setSelectionRange(-1, -1);
  }, []);

  function close(): void {
    editing.value = null;
    document.getElementById(place.box)?.focus();
  }
  async function save(): Promise<void> {
    const text = box.current?.value ?? '';
    if (busy) return;
    if (text === message.text) return close();
    setBusy(true);
    try {
      const result = await editMessage(message.id, text, message.version);
      if (result && !isFailure(result)) return close();
      setProblem(sentenceOf(result));
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
    setBusy(false);
  }

  return (
    <div class="leaf editing">
      <label class="vh" for="editor">
        {words.editLabel}
      </label>
      <textarea
        id="editor"
        ref={box}
        rows={2}
        dir="auto"
        defaultValue={message.text ?? ''}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            close();
          }
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void save();
        }}
      />
      <FormError>{problem}</FormError>
      <div class="row-btns">
        <button class="btn small primary" type="button" aria-busy={busy} onClick={() => void save()}>
          {busy ? common.saving : common.save}
        </button>
        <button class="btn small text" type="button" onClick={close}>
          {common.cancel}
        </button>
        <span class="hint end">
          <kbd>Esc</kbd> {words.escCancels}
        </span>
      </div>
    </div>
  );
}
