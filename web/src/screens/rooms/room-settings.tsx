/** Changing the settings of a room, and its end. Only what was changed is sent. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { announce } from '../../parts/announcer.tsx';
import { confirm } from '../../parts/confirm.tsx';
import { FormError } from '../../parts/fields.tsx';
import { Submit, useForm } from '../../parts/form.tsx';
import { Icon } from '../../parts/icon.tsx';
import type { PictureChange } from '../../parts/picture-field.tsx';
import { deleteRoom, type RoomChanges, updateRoom } from '../../rooms.ts';
import { addressOf, go } from '../../route.ts';
import type { Room } from '../../state/state.ts';
import { chatOfId, line } from '../../store.ts';
import { openChat } from '../../sync.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { Missing } from '../missing.tsx';
import type { ScreenProps } from '../screens.tsx';
import { besideField, RoomFields, type Settings, sendPicture, settingsOf } from './room-fields.tsx';

/** `/room/<id>/settings` */
export function RoomSettings({ parts }: ScreenProps) {
  const [id = '', what] = parts;
  const room = chatOfId(id);
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    if (room) return;
    openChat(id).then(
      (found) => setMissing(!found),
      () => {},
    );
  }, [id, room === null, line.value]);
  if (what !== 'settings' || isMissing || room?.__typename === 'Dialog') return <Missing />;
  if (!room) return <main class="pane" aria-busy="true" aria-label={texts.value.app.loading} />;
  return <Form key={id} room={room} />;
}

function Form({ room }: { room: Room }) {
  const { rooms: words, common } = texts.value;
  const [picture, setPicture] = useState<PictureChange>('same');
  // The fields begin anew from what was saved.
  const [version, setVersion] = useState(0);
  // What others change meanwhile is not changed back.
  const began = useMemo(() => room, [version]);
  const [saved, setSaved] = useState(false);
  const { busy, submit, fields, problem } = useForm(async (values) => {
    setSaved(false);
    const settings = settingsOf(values);
    if ('code' in settings) return settings;
    const avatar = picture instanceof File ? await sendPicture(picture) : picture === 'none' ? null : undefined;
    if (typeof avatar === 'object' && avatar) return avatar;
    const failure = await updateRoom({ roomId: room.id, ...changesOf(began, settings), ...(avatar === undefined ? {} : { avatarAttachmentId: avatar }) });
    if (failure) return besideField(failure);
    setPicture('same');
    setSaved(true);
    setVersion(version + 1);
    announce(common.saved);
    return null;
  });
  const role = room.my?.role;
  const back = addressOf('chat', room.id);
  return (
    <main class="pane">
      <header class="bar">
        <a class="ib" href={back} aria-label={words.backToRoom}>
          <Icon name="back" class="flip" />
        </a>
        <h1 class="grow clip">{words.settingsOf(room.name)}</h1>
      </header>
      <div class="scroll">
        {role !== 'OWNER' && role !== 'ADMIN' ? (
          <div class="column page">
            <p>{words.onlyAdmins}</p>
          </div>
        ) : (
          <form class="column page form" onSubmit={submit} onInput={() => setSaved(false)} noValidate>
            <RoomFields key={version} room={room} errors={fields} picture={picture} onPicture={setPicture} />
            <div class="split">
              <span />
              <div class="stack">
                <FormError>{problem}</FormError>
                <div class="row-btns">
                  <Submit busy={busy} busyText={common.saving}>
                    {common.save}
                  </Submit>
                  <a class="btn text" href={back}>
                    {common.cancel}
                  </a>
                  {saved && (
                    <p class="hint state">
                      <Icon name="tick1" class="s" />
                      {common.saved}
                    </p>
                  )}
                </div>
              </div>
            </div>
            {role === 'OWNER' && (
              <section class="split" aria-labelledby="room-end">
                <h2 id="room-end">{words.end}</h2>
                <div class="stack">
                  <p class="hint">{words.endHint}</p>
                  <div class="row-btns">
                    <button class="btn small danger" type="button" onClick={() => askToDelete(room)}>
                      {words.delete}
                    </button>
                  </div>
                </div>
              </section>
            )}
          </form>
        )}
      </div>
    </main>
  );
}

function askToDelete(room: Room): void {
  const { rooms: words } = texts.value;
  void confirm({
    title: words.deleteTitle(room.name),
    text: words.deleteText(room.memberCount),
    yes: words.deleteYes,
    no: words.keep,
    danger: true,
    act: async () => {
      const failure = await deleteRoom(room.id);
      if (failure) return sentenceOf(failure);
      go('/rooms', { replace: true });
      return null;
    },
  });
}

function changesOf(room: Room, { password, ...settings }: Settings): Omit<RoomChanges, 'roomId'> {
  const changed = Object.entries(settings).filter(([name, value]) => room[name as keyof typeof settings] !== value);
  return { ...Object.fromEntries(changed), ...(password === undefined ? {} : { password }) };
}
