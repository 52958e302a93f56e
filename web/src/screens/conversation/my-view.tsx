/** How the viewer has a chat: what of it notifies, muted for a while, kept on top, put away. The same on all devices; others learn nothing of it. */
import { useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { UpdateMyChatMutation, UpdateMyChatMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { withChatPart } from '../../state/merge.ts';
import type { Chat } from '../../state/state.ts';
import { isMuted, readInto, state } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { shortTimeOf } from '../../texts/times.ts';

const updateDocument = operation<UpdateMyChatMutation, UpdateMyChatMutationVariables>(/* GraphQL */ `
  mutation UpdateMyChat($input: UpdateMyChatInput!) {
    updateMyChat(input: $input) { __typename ... on UpdateMyChatPayload { chat { id my { ...MyFields } } } ...Failure }
  }
`);
const hours = [1, 8, 24, 168] as const;
const forever = 24 * 365 * 9;
export const levels = ['ALL', 'MENTIONS', 'NOTHING'] as const;
export type Level = (typeof levels)[number];

export function MyView({ chat }: { chat: Chat }) {
  const { view: words } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  const { my } = chat;
  if (!my) return null;

  async function change(input: Omit<UpdateMyChatMutationVariables['input'], 'chatId'>): Promise<void> {
    try {
      const { updateMyChat: result } = await readInto(
        () => ask(updateDocument, { input: { chatId: chat.id, ...input } }),
        (before, { updateMyChat: done }) => (done && 'chat' in done && done.chat.my ? withChatPart(before, chat.id, { my: done.chat.my }) : before),
      );
      setProblem(!result || isFailure(result) ? sentenceOf(result) : null);
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }
  const mute = (forHours: number): Promise<void> => change({ mutedUntil: forHours === 0 ? null : new Date(Date.now() + forHours * 3_600_000).toISOString() });

  const isUsual = chat.__typename === 'Room' && my.ownNotificationLevel === null;
  const muted = isMuted(chat);
  return (
    <section class="inset view" aria-label={words.title}>
      <h3>{words.title}</h3>
      <label>
        <span>{words.level}</span>
        <select
          class="input"
          value={isUsual ? '' : my.notificationLevel}
          onChange={({ currentTarget: { value } }) => void change({ notificationLevel: value === '' ? null : (value as Level) })}
        >
          {chat.__typename === 'Room' && <option value="">{words.asUsual(words.levels[state.value.account.notificationSettings.roomLevel])}</option>}
          {levels.map((level) => (
            <option key={level} value={level}>
              {words.levels[level]}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>{words.mute}</span>
        <select class="input" value={muted ? 'on' : '0'} onChange={({ currentTarget }) => void mute(Number(currentTarget.value))}>
          <option value="0">{words.notMuted}</option>
          {muted && my.mutedUntil && (
            <option value="on">{Date.parse(my.mutedUntil) - Date.now() > 365 * 86_400_000 ? words.muted : words.mutedUntil(shortTimeOf(my.mutedUntil))}</option>
          )}
          {hours.map((each) => (
            <option key={each} value={each}>
              {words.muteFor(each)}
            </option>
          ))}
          <option value={forever}>{words.muteOn}</option>
        </select>
      </label>
      <div class="row-btns">
        <button class="btn small" type="button" aria-pressed={my.pinnedAt !== null} onClick={() => void change({ pinned: my.pinnedAt === null })}>
          {my.pinnedAt ? words.unpin : words.pin}
        </button>
        <button class="btn small text" type="button" aria-pressed={my.archived} onClick={() => void change({ archived: !my.archived })}>
          {my.archived ? words.takeOut : words.putAway}
        </button>
      </div>
      <FormError>{problem}</FormError>
    </section>
  );
}
