/** Adding people to a room, and giving it another name. */
import { useState } from 'preact/hooks';
import { announce } from '../../parts/announcer.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { Field, FormError } from '../../parts/fields.tsx';
import { DialogButtons, useForm } from '../../parts/form.tsx';
import { type Chosen, PeopleChoice } from '../../parts/people-choice.tsx';
import { addMembers, updateRoom } from '../../rooms.ts';
import type { Room } from '../../state/state.ts';
import type { Failure } from '../../state/types.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';

export function AddPeople({ room, onClose }: { room: Room; onClose: () => void }) {
  const { rooms: words } = texts.value;
  const [chosen, setChosen] = useState<readonly Chosen[]>([]);
  const [skipped, setSkipped] = useState<string | null>(null);
  const { busy, submit, problem } = useForm(async () => {
    setSkipped(chosen.length === 0 ? words.addNobody : null);
    if (chosen.length === 0) return null;
    const result = await addMembers(
      room.id,
      chosen.map(({ id }) => id),
    );
    if ('code' in result) return result;
    if (result.added.length > 0) announce(words.added(result.added.length));
    if (result.skipped.length === 0) onClose();
    else {
      setSkipped(result.skipped.map(({ user, error }) => words.notAdded(user?.displayName ?? '', sentenceOf(error as Failure))).join(' '));
      setChosen(chosen.filter(({ id }) => result.skipped.some(({ user }) => user?.id === id)));
    }
    return null;
  });
  return (
    <Dialog title={words.addTitle} onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <PeopleChoice label={words.findPeople} chosen={chosen} onChange={setChosen} isIn={(id) => room.members.has(id)} />
        <FormError>{problem ?? skipped}</FormError>
        <DialogButtons busy={busy} busyText={words.adding} onClose={onClose}>
          {words.add}
        </DialogButtons>
      </form>
    </Dialog>
  );
}

export function Rename({ room, onClose }: { room: Room; onClose: () => void }) {
  const { rooms: words, common } = texts.value;
  const { busy, submit, fields, problem } = useForm(async ({ name = '' }) => {
    const failure = await updateRoom({ roomId: room.id, name: name.trim() });
    if (!failure) onClose();
    return failure;
  });
  return (
    <Dialog title={words.renameTitle} onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <Field label={words.name} name="name" required autofocus autocomplete="off" maxLength={80} defaultValue={room.name} error={fields.name} />
        <FormError>{problem}</FormError>
        <DialogButtons busy={busy} busyText={common.saving} onClose={onClose}>
          {common.save}
        </DialogButtons>
      </form>
    </Dialog>
  );
}
