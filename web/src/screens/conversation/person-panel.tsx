/** About the other person of a dialog, beside it. */
import { useState } from 'preact/hooks';
import { keepAsContact } from '../../contacts.ts';
import { FormError } from '../../parts/fields.tsx';
import { Icon } from '../../parts/icon.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import type { Dialog } from '../../state/state.ts';
import { personOf, state } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { Presence } from '../person-presence.tsx';
import { MyView } from './my-view.tsx';
import { PanelFrame } from './panel-frame.tsx';

export function PersonPanel({ chat }: { chat: Dialog }) {
  const { chat: words, people } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  const person = personOf(chat.peerId);
  if (!person) return null;
  const { id, displayName, deleted } = person;
  const isContact = state.value.account.contactIds.includes(id);
  const full = [person.firstName, person.lastName].filter(Boolean).join(' ');

  async function keep(): Promise<void> {
    try {
      const failure = await keepAsContact(id, !isContact);
      setProblem(failure && sentenceOf(failure));
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }

  return (
    <PanelFrame chat={chat} title={words.aboutPerson} label={displayName}>
      <div class="about whom">
        <PersonPicture id={id} size="l" presence />
        <div>
          <h3>
            <bdi>{displayName}</bdi>
          </h3>
          {full && full !== displayName && (
            <p>
              <bdi>{full}</bdi>
            </p>
          )}
          <p class="hint">{deleted ? words.deletedAccount : <Presence person={person} />}</p>
        </div>
        {!deleted && id !== state.value.meId && (
          <button class="btn small" type="button" onClick={() => void keep()}>
            <Icon name={isContact ? 'person-in' : 'person-add'} class="s" />
            {isContact ? people.removeContact : people.addContact}
          </button>
        )}
        <FormError>{problem}</FormError>
      </div>
      <MyView chat={chat} />
    </PanelFrame>
  );
}
