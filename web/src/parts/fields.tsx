/** Fields of forms: a label, what is typed, a hint, and what is wrong with it. */
import type { ComponentChildren, TargetedEvent } from 'preact';
import { useId, useState } from 'preact/hooks';
import { texts } from '../texts/texts.ts';
import { Icon } from './icon.tsx';

type Props = {
  label: string;
  name: string;
  hint?: string | undefined;
  error?: string | undefined;
  optional?: boolean;
  /** Behind the label. */
  note?: ComponentChildren;
  /** Shown beside the label. By keyboard it comes behind the field: from a name one goes on to the password. */
  beside?: ComponentChildren;
  type?: 'text' | 'email' | 'tel' | 'search' | 'password';
  value?: string;
  defaultValue?: string;
  placeholder?: string;
  autocomplete?: string;
  autocapitalize?: 'none' | 'words' | 'sentences';
  inputMode?: 'numeric' | 'email' | 'tel' | 'text';
  spellcheck?: boolean;
  required?: boolean;
  disabled?: boolean;
  autofocus?: boolean;
  maxLength?: number;
  onInput?: (event: TargetedEvent<HTMLInputElement>) => void;
  onBlur?: (event: TargetedEvent<HTMLInputElement>) => void;
};

export function Field({ label, name, hint, error, optional = false, note, ...input }: Props) {
  const id = useId();
  return (
    <div class="field">
      <Label id={id} label={label} optional={optional} note={note} />
      <input class="input" id={id} name={name} {...described(id, hint, error)} {...(input as object)} />
      <Below id={id} hint={hint} error={error} />
    </div>
  );
}

export function PasswordField({ label, name, hint, error, optional = false, note, beside, ...input }: Props) {
  const id = useId();
  const [shown, show] = useState(false);
  const { common } = texts.value;
  return (
    <div class="field">
      <Label id={id} label={label} optional={optional} note={note} />
      <div class="pw">
        <input class="input" id={id} name={name} {...described(id, hint, error)} {...({ ...input, type: shown ? 'text' : 'password' } as object)} />
        <button class="ib" type="button" aria-pressed={shown} aria-label={shown ? common.hidePassword : common.showPassword} onClick={() => show(!shown)}>
          <Icon name="eye" />
        </button>
      </div>
      {beside && <div class="beside">{beside}</div>}
      <Below id={id} hint={hint} error={error} />
    </div>
  );
}

function Label({ id, label, optional, note }: { id: string; label: string; optional: boolean; note: ComponentChildren }) {
  return (
    <label for={id}>
      {label} {optional && <span class="opt">{texts.value.common.optional}</span>}
      {note && <span class="opt">{note}</span>}
    </label>
  );
}

const described = (id: string, hint?: string, error?: string) => ({
  'aria-invalid': error ? true : undefined,
  'aria-describedby': error ? `${id}-error` : hint ? `${id}-hint` : undefined,
});

function Below({ id, hint, error }: { id: string; hint: string | undefined; error: string | undefined }) {
  if (error)
    return (
      <p class="err" id={`${id}-error`}>
        <Icon name="warn" class="s" />
        {error}
      </p>
    );
  return hint ? (
    <p class="hint" id={`${id}-hint`}>
      {hint}
    </p>
  ) : null;
}

/** What went wrong with a form as a whole. */
export function FormError({ children }: { children: ComponentChildren }) {
  return children ? (
    <p class="err" role="alert">
      <Icon name="warn" class="s" />
      <span>{children}</span>
    </p>
  ) : null;
}
