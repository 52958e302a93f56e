/** Forms that send themselves once at a time and say what came of it. What is refused stays in its fields. */
import type { TargetedSubmitEvent } from 'preact';
import { useState } from 'preact/hooks';
import type { Failure } from '../state/types.ts';
import { fieldSentences, sentenceOf } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';

/** `send` answers a failure, or null when it is done. `problem` is what no field of the form says. `wrongPassword`: beside which field what stands when that was it; under no name, what is said where there is no such field. */
export function useForm(send: (values: Record<string, string>) => Promise<Failure | null>, wrongPassword: Record<string, string> = {}) {
  const [busy, setBusy] = useState(false);
  const [fields, setFields] = useState<Record<string, string>>({});
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    const form = event.currentTarget;
    const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    setBusy(true);
    try {
      const failed = await send(values);
      const told = failed?.__typename === 'InvalidCredentialsError' ? wrongPassword : fieldSentences(failed);
      const isTold = Object.keys(told).some((name) => form.elements.namedItem(name));
      setFields(told);
      setProblem(failed && !isTold ? (told[''] ?? sentenceOf(failed)) : null);
      if (failed) requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
    } catch (thrown) {
      setFields({});
      setProblem(sentenceOf(thrown));
    }
    setBusy(false);
  };
  return { busy, submit, fields, problem };
}

/** While it is sent, the button says so. */
export function Submit({ busy, children, busyText }: { busy: boolean; children: string; busyText: string }) {
  return (
    <button class="btn primary" type="submit" aria-busy={busy}>
      {busy ? busyText : children}
    </button>
  );
}

/** Below the fields of a dialog: what leaves it as it was, and what sends it. */
export function DialogButtons({ busy, busyText, children, onClose }: { busy: boolean; busyText: string; children: string; onClose: () => void }) {
  return (
    <div class="row-btns">
      <button class="btn text" type="button" onClick={onClose}>
        {texts.value.common.cancel}
      </button>
      <Submit busy={busy} busyText={busyText}>
        {children}
      </Submit>
    </div>
  );
}
