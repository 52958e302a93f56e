/** What of rooms notifies, where nothing else is said of one; and messages that show themselves when the page is closed: only for whoever asks for it, and in this browser. */
import { useEffect, useId, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { SetRoomLevelMutation, SetRoomLevelMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { state as known } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { type PushState, pushState, turnPushOff, turnPushOn } from '../../worker.ts';
import { type Level, levels } from '../conversation/my-view.tsx';
import { Part } from './part.tsx';

const levelDocument = operation<SetRoomLevelMutation, SetRoomLevelMutationVariables>(/* GraphQL */ `
  mutation SetRoomLevel($roomLevel: NotificationLevel!) { updateNotificationSettings(input: { roomLevel: $roomLevel }) { __typename ...Failure } }
`);

export function Notify() {
  const { you, view } = texts.value;
  const id = useId();
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

  async function setRoomLevel(roomLevel: Level): Promise<void> {
    try {
      const { updateNotificationSettings: result } = await ask(levelDocument, { roomLevel });
      setProblem(!result || isFailure(result) ? sentenceOf(result) : null);
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }

  return (
    <Part title={you.notices}>
      <div class="stack">
        <div class="field">
          <label for={id}>{you.roomLevel}</label>
          <select class="input" id={id} value={known.value.account.notificationSettings.roomLevel} onChange={({ currentTarget: { value } }) => void setRoomLevel(value as Level)}>
            {levels.map((level) => (
              <option key={level} value={level}>
                {view.levels[level]}
              </option>
            ))}
          </select>
        </div>
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
