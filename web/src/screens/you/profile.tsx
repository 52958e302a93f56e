/** Who one is to others, and what only the server knows. What is typed stays until it is saved, whatever comes meanwhile. */
import { useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { UpdateProfileMutation, UpdateProfileMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Field, FormError, PasswordField } from '../../parts/fields.tsx';
import { useForm } from '../../parts/form.tsx';
import { withPeople } from '../../state/merge.ts';
import { me, readInto, state } from '../../store.ts';
import { isFailure } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { Part } from './part.tsx';
import { MyPicture } from './picture.tsx';

const updateDocument = operation<UpdateProfileMutation, UpdateProfileMutationVariables>(/* GraphQL */ `
  mutation UpdateProfile($input: UpdateProfileInput!) {
    updateProfile(input: $input) { __typename ... on UpdateProfilePayload { me { ...PersonFields account { email phone address } } } ...Failure }
  }
`);
const names = ['displayName', 'username', 'firstName', 'lastName', 'email', 'phone', 'address'] as const;
type Name = (typeof names)[number];

export function Profile() {
  const { you } = texts.value;
  return (
    <Part title={you.profile}>
      <div class="stack">
        <MyPicture />
        <ProfileForm />
      </div>
    </Part>
  );
}

function ProfileForm() {
  const { you, common } = texts.value;
  const [typed, setTyped] = useState<Partial<Record<Name, string>>>({});
  const [saved, setSaved] = useState(false);
  const stored = storedValues();
  const changed = names.filter((name) => typed[name] !== undefined && typed[name] !== stored[name]);
  const { busy, submit, fields, problem } = useForm(
    async ({ currentPassword = '' }) => {
      if (changed.length === 0) return null;
      const input = Object.fromEntries(changed.map((name) => [name, typed[name] || (name === 'username' ? '' : null)]));
      const { updateProfile: result } = await readInto(
        () => ask(updateDocument, { input: changed.includes('email') ? { ...input, currentPassword } : input }),
        (before, data) => {
          if (data.updateProfile?.__typename !== 'UpdateProfilePayload') return before;
          const { account, ...person } = data.updateProfile.me;
          return withPeople({ ...before, account: { ...before.account, ...account } }, [person]);
        },
      );
      if (!result || isFailure(result)) return result;
      setTyped({});
      setSaved(true);
      return null;
    },
    { currentPassword: you.wrongPassword, '': you.signInAgain },
  );
  const field = (name: Name) => ({
    name,
    value: typed[name] ?? stored[name],
    error: fields[name],
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
      setSaved(false);
      setTyped({ ...typed, [name]: currentTarget.value });
    },
  });
  const onlyYou = you.onlyYou;
  return (
    <form class="stack" onSubmit={submit} noValidate>
      <div class="two">
        <Field label={you.displayName} autocomplete="nickname" {...field('displayName')} />
        <Field label={you.username} autocomplete="username" autocapitalize="none" spellcheck={false} {...field('username')} />
      </div>
      <div class="two">
        <Field label={you.firstName} autocomplete="given-name" {...field('firstName')} />
        <Field label={you.lastName} autocomplete="family-name" {...field('lastName')} />
      </div>
      <div class="two">
        <Field label={you.email} note={onlyYou} type="email" autocomplete="email" {...field('email')} />
        <Field label={you.phone} note={onlyYou} type="tel" autocomplete="tel" {...field('phone')} />
      </div>
      <Field label={you.address} note={onlyYou} autocomplete="street-address" {...field('address')} />
      {changed.includes('email') && state.value.account.hasPassword && (
        <PasswordField label={you.yourPassword} name="currentPassword" autocomplete="current-password" hint={you.whyPassword} error={fields.currentPassword} />
      )}
      <FormError>{problem}</FormError>
      <div class="row-btns">
        <button
          class="btn primary"
          type="submit"
          aria-busy={busy}
          aria-disabled={changed.length === 0 && !busy}
          title={changed.length === 0 && !saved ? you.nothingChanged : undefined}
        >
          {busy ? common.saving : saved ? common.saved : common.save}
        </button>
        {changed.length > 0 && !busy && (
          <button class="btn text" type="button" onClick={() => setTyped({})}>
            {common.cancel}
          </button>
        )}
        <span class="vh" role="status">
          {saved ? common.saved : ''}
        </span>
      </div>
    </form>
  );
}

function storedValues(): Record<Name, string> {
  const { account } = state.value;
  const person = me.value;
  return {
    displayName: person?.displayName ?? '',
    username: person?.username ?? '',
    firstName: person?.firstName ?? '',
    lastName: person?.lastName ?? '',
    email: account.email ?? '',
    phone: account.phone ?? '',
    address: account.address ?? '',
  };
}
