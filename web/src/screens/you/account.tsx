/** The password, and the end of the account. */
import { useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import { doors } from '../../doors.ts';
import type { ChangePasswordMutation, ChangePasswordMutationVariables, DeleteAccountMutation, DeleteAccountMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError, PasswordField } from '../../parts/fields.tsx';
import { Submit, useForm } from '../../parts/form.tsx';
import { go } from '../../route.ts';
import { me, state } from '../../store.ts';
import { leave } from '../../sync.ts';
import { isFailure } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { readDevices } from './devices.tsx';
import { Part } from './part.tsx';

const passwordDocument = operation<ChangePasswordMutation, ChangePasswordMutationVariables>(/* GraphQL */ `
  mutation ChangePassword($old: String!, $new: String!, $keepOthers: Boolean!) {
    changePassword(input: { oldPassword: $old, newPassword: $new, keepOtherSessions: $keepOthers }) { __typename ...Failure }
  }
`);
const deleteDocument = operation<DeleteAccountMutation, DeleteAccountMutationVariables>(/* GraphQL */ `
  mutation DeleteAccount($password: String!, $messages: ErasureMode!) { deleteAccount(input: { password: $password, messages: $messages }) { __typename ...Failure } }
`);

export function AccountPart() {
  const { you, gate } = texts.value;
  const [open, setOpen] = useState<'password' | 'delete' | null>(null);
  const [done, setDone] = useState(false);
  const change = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(null);
    if (open === 'password') requestAnimationFrame(() => change.current?.focus());
  };
  return (
    <Part title={you.account}>
      <div class="stack">
        {open === 'password' ? (
          <PasswordForm
            close={close}
            done={() => {
              setDone(true);
              close();
            }}
          />
        ) : (
          <div class="row-btns">
            {doors.password && (
              <button
                class="btn small"
                type="button"
                ref={change}
                onClick={() => {
                  setDone(false);
                  setOpen('password');
                }}
              >
                {state.value.account.hasPassword ? you.changePassword : gate.setPassword}
              </button>
            )}
            <button class="btn small danger" type="button" aria-haspopup="dialog" onClick={() => setOpen('delete')}>
              {you.deleteAccount}
            </button>
          </div>
        )}
        <p class="hint" role="status">
          {done ? you.passwordChanged : ''}
        </p>
      </div>
      {open === 'delete' && <DeleteDialog close={close} />}
    </Part>
  );
}

function PasswordForm({ close, done }: { close: () => void; done: () => void }) {
  const { you, gate, common } = texts.value;
  const { hasPassword } = state.value.account;
  const { busy, submit, fields, problem } = useForm(
    async (values) => {
      const { changePassword: result } = await ask(passwordDocument, { old: values.oldPassword ?? '', new: values.newPassword ?? '', keepOthers: values.endOthers !== 'on' });
      if (!result || isFailure(result)) return result;
      void readDevices().catch(() => {});
      done();
      return null;
    },
    { oldPassword: you.wrongPassword, '': you.signInAgain },
  );
  return (
    <form class="stack" onSubmit={submit} onKeyDown={(event) => event.key === 'Escape' && close()} noValidate>
      {/* For password managers. */}
      <input class="vh" type="text" name="username" autocomplete="username" value={me.value?.username ?? ''} tabIndex={-1} aria-hidden="true" readOnly />
      <div class="two">
        {hasPassword && <PasswordField label={you.passwordNow} name="oldPassword" autocomplete="current-password" autofocus error={fields.oldPassword} />}
        <PasswordField label={gate.newPassword} name="newPassword" autocomplete="new-password" hint={gate.passwordHint} error={fields.newPassword} />
      </div>
      <label class="choice">
        <input type="checkbox" name="endOthers" defaultChecked />
        <span>{you.alsoEndOthers}</span>
      </label>
      <FormError>{problem}</FormError>
      <div class="row-btns">
        <Submit busy={busy} busyText={common.saving}>
          {hasPassword ? you.changePassword : gate.setPassword}
        </Submit>
        <button class="btn text" type="button" onClick={close}>
          {common.cancel}
        </button>
      </div>
    </form>
  );
}

/** Says what will happen, and asks for the password: there is no way back. */
function DeleteDialog({ close }: { close: () => void }) {
  const { you, common } = texts.value;
  const { busy, submit, fields, problem } = useForm(
    async ({ password = '', messages }) => {
      const { deleteAccount: result } = await ask(deleteDocument, { password, messages: messages === 'ERASE' ? 'ERASE' : 'ANONYMIZE' });
      if (!result || isFailure(result)) return result;
      leave('deleted');
      go('/', { replace: true });
      return null;
    },
    { password: you.wrongPassword, '': you.signInAgain },
  );
  return (
    <Dialog title={you.deleteTitle} onClose={close}>
      <form class="stack" onSubmit={submit} noValidate>
        <ul class="points">
          {you.deleteFacts(me.value?.username ?? '').map((fact) => (
            <li key={fact}>{fact}</li>
          ))}
        </ul>
        <fieldset class="choices">
          <legend class="label">{you.yourMessages}</legend>
          <label class="choice">
            <input type="radio" name="messages" value="ANONYMIZE" defaultChecked />
            <b>{you.anonymize}</b>
            <span class="hint">{you.anonymizeHint}</span>
          </label>
          <label class="choice">
            <input type="radio" name="messages" value="ERASE" />
            <b>{you.erase}</b>
            <span class="hint">{you.eraseHint}</span>
          </label>
        </fieldset>
        <input class="vh" type="text" name="username" autocomplete="username" value={me.value?.username ?? ''} tabIndex={-1} aria-hidden="true" readOnly />
        {state.value.account.hasPassword && <PasswordField label={you.yourPassword} name="password" autocomplete="current-password" error={fields.password} />}
        <FormError>{problem}</FormError>
        <div class="row-btns">
          <button class="btn text" type="button" autofocus onClick={close}>
            {common.cancel}
          </button>
          <button class="btn danger primary" type="submit" aria-busy={busy}>
            {busy ? you.deleting : you.deleteYes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
