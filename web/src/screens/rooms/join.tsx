/** Joining a room from outside of its conversation: at once, or with its password in a dialog. */
import { useState } from 'preact/hooks';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError, PasswordField } from '../../parts/fields.tsx';
import { DialogButtons, useForm } from '../../parts/form.tsx';
import { joinRoom } from '../../rooms.ts';
import { addressOf, go } from '../../route.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';

export type Joinable = { id: string; name: string; passwordRequired: boolean };

/** `join` begins it, `busy` is the room that is being joined, `problem` what became of it; `dialog` is to be drawn. */
export function useJoin() {
  const [busy, setBusy] = useState<string | null>(null);
  const [problem, setProblem] = useState<{ id: string; text: string } | null>(null);
  const [asked, setAsked] = useState<Joinable | null>(null);

  async function join(room: Joinable): Promise<void> {
    if (busy !== null) return;
    setProblem(null);
    if (room.passwordRequired) return setAsked(room);
    setBusy(room.id);
    try {
      const failure = await joinRoom(room.id, null);
      if (!failure) return go(addressOf('chat', room.id));
      // It has got one since it was read.
      if (failure.__typename === 'WrongRoomPasswordError') setAsked(room);
      else setProblem({ id: room.id, text: sentenceOf(failure) });
    } catch (thrown) {
      setProblem({ id: room.id, text: sentenceOf(thrown) });
    } finally {
      setBusy(null);
    }
  }

  const dialog = asked && <JoinDialog room={asked} onClose={() => setAsked(null)} />;
  return { join, busy, problem, dialog };
}

function JoinDialog({ room, onClose }: { room: Joinable; onClose: () => void }) {
  const { rooms, errors } = texts.value;
  const [wrong, setWrong] = useState(false);
  const { busy, submit, problem } = useForm(async ({ password = '' }) => {
    setWrong(false);
    const failure = await joinRoom(room.id, password);
    setWrong(failure?.__typename === 'WrongRoomPasswordError');
    if (!failure) go(addressOf('chat', room.id));
    return failure;
  });
  return (
    <Dialog title={rooms.joinTitle(room.name)} onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <PasswordField label={rooms.roomPassword} name="password" autocomplete="off" required autofocus error={wrong ? errors.WRONG_ROOM_PASSWORD : undefined} />
        <FormError>{wrong ? null : problem}</FormError>
        <DialogButtons busy={busy} busyText={rooms.joining} onClose={onClose}>
          {rooms.join}
        </DialogButtons>
      </form>
    </Dialog>
  );
}
