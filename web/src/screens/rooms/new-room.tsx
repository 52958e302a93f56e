/** Opening a room, with every setting and its first members. */
import { useRef, useState } from 'preact/hooks';
import { FormError } from '../../parts/fields.tsx';
import { Submit, useForm } from '../../parts/form.tsx';
import { Icon } from '../../parts/icon.tsx';
import { type Chosen, PeopleChoice } from '../../parts/people-choice.tsx';
import type { PictureChange } from '../../parts/picture-field.tsx';
import { createRoom } from '../../rooms.ts';
import { addressOf, go } from '../../route.ts';
import { texts } from '../../texts/texts.ts';
import { besideField, RoomFields, sendPicture, settingsOf } from './room-fields.tsx';

export function NewRoom() {
  const { rooms: words, common } = texts.value;
  const [people, setPeople] = useState<readonly Chosen[]>([]);
  const [picture, setPicture] = useState<PictureChange>('same');
  // Sent again after a lost answer, it makes no second room. What is changed in between is another request.
  const request = useRef({ of: '', id: '' });
  const { busy, submit, fields, problem } = useForm(async (values) => {
    const settings = settingsOf(values);
    if ('code' in settings) return settings;
    const avatarAttachmentId = picture instanceof File ? await sendPicture(picture) : null;
    if (typeof avatarAttachmentId === 'object' && avatarAttachmentId) return avatarAttachmentId;
    const input = { ...settings, members: people.map(({ id }) => ({ id })), avatarAttachmentId };
    if (request.current.of !== JSON.stringify(input)) request.current = { of: JSON.stringify(input), id: crypto.randomUUID() };
    const made = await createRoom({ ...input, clientRequestId: request.current.id });
    if (typeof made !== 'string') return besideField(made);
    go(addressOf('chat', made), { replace: true });
    return null;
  });
  return (
    <main class="pane">
      <header class="bar">
        <a class="ib" href="/rooms" aria-label={words.backToRooms}>
          <Icon name="back" class="flip" />
        </a>
        <h1 class="grow">{words.create}</h1>
      </header>
      <div class="scroll">
        <form class="column page form" onSubmit={submit} noValidate>
          <RoomFields room={null} errors={fields} picture={picture} onPicture={setPicture}>
            <fieldset class="split">
              <legend>{words.people}</legend>
              <PeopleChoice label={words.firstMembers} chosen={people} onChange={setPeople} />
            </fieldset>
          </RoomFields>
          <div class="split">
            <span />
            <div class="stack">
              <FormError>{problem}</FormError>
              <div class="row-btns">
                <Submit busy={busy} busyText={words.opening}>
                  {words.openIt}
                </Submit>
                <a class="btn text" href="/rooms">
                  {common.cancel}
                </a>
              </div>
            </div>
          </div>
        </form>
      </div>
    </main>
  );
}
