/** Messages that show themselves when the page is closed: only for whoever asks for it, and in this browser. */
import { useEffect, useState } from 'preact/hooks';
import { FormError } from '../../parts/fields.tsx';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { type PushState, pushState, turnPushOff, turnPushOn } from '../../worker.ts';
import { Part } from './part.tsx';

export function Notify() {
  const { you } = texts.value;
  const [state, setState] = useState<PushState | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    pushState().then(setState, () => setState('impossible'));
  }, []);

  async function turn(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      if (state === 'on') await turnPushOff();
      else await turnPushOn();
      setState(await pushState());
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
    setBusy(false);
  }

  return (
    <Part title={you.notices}>
      <div class="stack">
        <p role="status">{state && { on: you.pushIsOn, off: you.pushIsOff, denied: you.pushDenied, impossible: you.pushImpossible }[state]}</p>
        <FormError>{problem}</FormError>
        {(state === 'on' || state === 'off') && (
          <div class="row-btns">
            <button class="btn small" type="button" aria-busy={busy} onClick={() => void turn()}>
              {busy ? you.pushTurning : state === 'on' ? you.pushOff : you.pushOn}
            </button>
          </div>
        )}
      </div>
    </Part>
  );
}
