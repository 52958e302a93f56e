/** Before one is in: sign in, register, a forgotten password, and the page where its mail leads. */
import type { ComponentChildren, TargetedSubmitEvent } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { ask } from '../ask.ts';
import { doors, turnedAway } from '../doors.ts';
import type {
  ForgottenMutation,
  ForgottenMutationVariables,
  NewPasswordMutation,
  NewPasswordMutationVariables,
  RegisterMutation,
  RegisterMutationVariables,
  SignInMutation,
  SignInMutationVariables,
} from '../generated/graphql.ts';
import { operation } from '../operation.ts';
import { Field, FormError, PasswordField } from '../parts/fields.tsx';
import { Submit, useForm } from '../parts/form.tsx';
import { Mark } from '../parts/icon.tsx';
import { remember, remembered } from '../remember.ts';
import { go, route } from '../route.ts';
import { phase } from '../store.ts';
import { enterFresh } from '../sync.ts';
import { isFailure } from '../texts/errors.ts';
import { texts } from '../texts/texts.ts';

const signInDocument = operation<SignInMutation, SignInMutationVariables>(/* GraphQL */ `
  mutation SignIn($login: String!, $password: String!, $device: DeviceInput!) {
    login(input: { login: $login, password: $password, device: $device, useCookies: true }) { __typename ...Failure }
  }
`);
const registerDocument = operation<RegisterMutation, RegisterMutationVariables>(/* GraphQL */ `
  mutation Register($input: RegisterInput!) { register(input: $input) { __typename ...Failure } }
`);
const forgottenDocument = operation<ForgottenMutation, ForgottenMutationVariables>(/* GraphQL */ `
  mutation Forgotten($email: String!) { requestPasswordReset(input: { email: $email }) { __typename ...Failure } }
`);
const newPasswordDocument = operation<NewPasswordMutation, NewPasswordMutationVariables>(/* GraphQL */ `
  mutation NewPassword($token: String!, $password: String!) { confirmPasswordReset(input: { token: $token, newPassword: $password }) { __typename ...Failure } }
`);

export function Gate() {
  const [form] = route.value;
  const { app } = texts.value;
  return (
    <div class="gate">
      <aside class="play" aria-label={app.about}>
        <p class="brand">
          <Mark />
          {app.name}
        </p>
        <ol>
          {app.voices.map((voice) => (
            <li key={voice}>
              <span>—</span>
              <span>{voice}</span>
            </li>
          ))}
        </ol>
        <footer>{app.runsOn(location.host)}</footer>
      </aside>
      <main>
        <p class="brand only-narrow">
          <Mark />
          {app.name}
        </p>
        {form === 'register' && doors.registration ? (
          <Register />
        ) : form === 'forgotten' && doors.password ? (
          <Forgotten />
        ) : form === 'reset-password' && doors.password ? (
          <NewPassword />
        ) : doors.password ? (
          <SignIn />
        ) : (
          <Elsewhere />
        )}
      </main>
    </div>
  );
}

/** Which device this is: kept when somebody signs out, so that the same browser stays one device. */
function thisDevice(): { id: string; kind: 'WEB'; name: string } {
  const id = remembered('tertulia.device') ?? crypto.randomUUID();
  remember('tertulia.device', id);
  return { id, kind: 'WEB', name: browserName() };
}

function browserName(): string {
  const agent = navigator.userAgent;
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(agent)?.[1] ?? 'Browser';
  const system = /(Windows|Android|iPhone|iPad|Mac OS|CrOS|Linux)/.exec(agent)?.[1] ?? '';
  return [{ Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser, system].filter(Boolean).join(', ');
}

function Form({ title, children, onSubmit }: { title: string; children: ComponentChildren; onSubmit: (event: TargetedSubmitEvent<HTMLFormElement>) => void }) {
  return (
    <form onSubmit={onSubmit} noValidate>
      <h1>{title}</h1>
      {children}
    </form>
  );
}

function SignIn() {
  const { gate, errors } = texts.value;
  const [wrong, setWrong] = useState(false);
  const { busy, submit, fields, problem } = useForm(async ({ login = '', password = '' }) => {
    setWrong(false);
    const { login: result } = await ask(signInDocument, { login, password, device: thisDevice() });
    if (result && !isFailure(result)) return enterIn();
    setWrong(result?.__typename === 'InvalidCredentialsError');
    return result;
  });
  const out = phase.value;
  return (
    <Form title={gate.signIn} onSubmit={submit}>
      {out.is === 'out' && out.why && <p role="status">{gate[out.why]}</p>}
      <Offers />
      <Field label={gate.login} name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus error={fields.login} />
      <PasswordField
        label={gate.password}
        name="password"
        autocomplete="current-password"
        required
        beside={<a href="/forgotten">{gate.forgotten}</a>}
        error={fields.password ?? (wrong ? errors.INVALID_CREDENTIALS : undefined)}
      />
      <FormError>{wrong ? null : problem}</FormError>
      <Submit busy={busy} busyText={gate.signingIn}>
        {gate.signIn}
      </Submit>
      {doors.registration && (
        <p class="hint">
          {gate.newHere} <a href="/register">{gate.create}</a>
        </p>
      )}
    </Form>
  );
}

/** Where no password signs anybody in. */
function Elsewhere() {
  const { gate } = texts.value;
  const out = phase.value;
  return (
    <Form title={gate.signIn} onSubmit={(event) => event.preventDefault()}>
      {out.is === 'out' && out.why && <p role="status">{gate[out.why]}</p>}
      {doors.offers.length === 0 && <p>{gate.byApp}</p>}
      <Offers />
    </Form>
  );
}

/** Whose pages sign people in. The browser comes back with a session. */
function Offers() {
  const { gate } = texts.value;
  const { id, name } = thisDevice();
  return (
    <>
      {turnedAway && <FormError>{gate.turnedAway[turnedAway]}</FormError>}
      {doors.offers.map((offer) => (
        <a key={offer.name} class={doors.password ? 'btn' : 'btn primary'} href={`/sign-in/${offer.name}?${new URLSearchParams({ device: id, deviceName: name })}`}>
          {gate.signInWith(offer.label)}
        </a>
      ))}
    </>
  );
}

function Register() {
  const { gate } = texts.value;
  const { busy, submit, fields, problem } = useForm(async ({ username = '', displayName, email, password = '' }) => {
    const { register: result } = await ask(registerDocument, {
      input: { username, displayName: displayName || null, email: email || null, password, device: thisDevice(), useCookies: true },
    });
    return result && !isFailure(result) ? enterIn() : result;
  });
  return (
    <Form title={gate.create} onSubmit={submit}>
      <Field
        label={gate.username}
        name="username"
        autocomplete="username"
        autocapitalize="none"
        spellcheck={false}
        required
        autofocus
        hint={gate.usernameHint}
        error={fields.username}
      />
      <Field label={gate.displayName} name="displayName" autocomplete="name" optional error={fields.displayName} />
      <Field label={gate.email} name="email" type="email" autocomplete="email" optional hint={gate.emailHint} error={fields.email} />
      <PasswordField label={gate.password} name="password" autocomplete="new-password" required hint={gate.passwordHint} error={fields.password} />
      <FormError>{problem}</FormError>
      <Submit busy={busy} busyText={gate.creating}>
        {gate.create}
      </Submit>
      <p class="hint">
        {gate.haveOne} <a href="/">{gate.signIn}</a>
      </p>
    </Form>
  );
}

async function enterIn(): Promise<null> {
  await enterFresh();
  if (['register', 'forgotten', 'reset-password'].includes(route.value[0] ?? '')) go('/', { replace: true });
  return null;
}

function Forgotten() {
  const { gate } = texts.value;
  const [sent, setSent] = useState(false);
  const { busy, submit, fields, problem } = useForm(async ({ email = '' }) => {
    const { requestPasswordReset: result } = await ask(forgottenDocument, { email });
    if (!result || isFailure(result)) return result;
    setSent(true);
    return null;
  });
  return (
    <Form title={gate.forgottenTitle} onSubmit={submit}>
      <p>{gate.forgottenText}</p>
      <Field label={gate.email} name="email" type="email" autocomplete="email" required autofocus error={fields.email} />
      <FormError>{problem}</FormError>
      <p role="status">{sent ? gate.mailSent : ''}</p>
      <Submit busy={busy} busyText={gate.sending}>
        {gate.sendMail}
      </Submit>
      <p class="hint">
        <a href="/">{gate.signIn}</a>
      </p>
    </Form>
  );
}

/** The code is behind `#`, and leaves the address bar at once: neither the history nor a `Referer` keeps it. */
const code = location.pathname === '/reset-password' ? location.hash.slice(1) : '';
if (code) history.replaceState(null, '', '/reset-password');

function NewPassword() {
  const { gate } = texts.value;
  const [done, setDone] = useState(false);
  const onward = useRef<HTMLAnchorElement>(null);
  const { busy, submit, fields, problem } = useForm(async ({ newPassword: password = '' }) => {
    const { confirmPasswordReset: result } = await ask(newPasswordDocument, { token: code, password });
    if (!result || isFailure(result)) return result;
    setDone(true);
    requestAnimationFrame(() => onward.current?.focus());
    return null;
  });
  return (
    <Form title={gate.newPasswordTitle} onSubmit={submit}>
      {!code && <FormError>{gate.linkIncomplete}</FormError>}
      {done && <p role="status">{gate.passwordSet}</p>}
      {code && !done && (
        <>
          <PasswordField label={gate.newPassword} name="newPassword" autocomplete="new-password" required autofocus hint={gate.passwordHint} error={fields.newPassword} />
          <FormError>{problem}</FormError>
          <Submit busy={busy} busyText={texts.value.common.saving}>
            {gate.setPassword}
          </Submit>
        </>
      )}
      <p class="hint">
        <a href="/" ref={onward}>
          {gate.signIn}
        </a>
        {!done && (
          <>
            {' · '}
            <a href="/forgotten">{gate.forgottenTitle}</a>
          </>
        )}
      </p>
    </Form>
  );
}
