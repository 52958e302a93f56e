/** Finding in a list: a field that says what it looks for, and which of the list is shown. */
import type { ComponentChildren, InputHTMLAttributes } from 'preact';
import { Icon } from './icon.tsx';

export function SearchField({
  label,
  value,
  onValue,
  children,
  ...others
}: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  children?: ComponentChildren;
} & Pick<InputHTMLAttributes<HTMLInputElement>, 'id' | 'placeholder' | 'onKeyDown' | 'aria-keyshortcuts' | 'autofocus' | 'maxLength'>) {
  return (
    <div class="find">
      <Icon name="search" class="s" />
      <input
        class="input"
        type="search"
        aria-label={label}
        placeholder={label}
        autocomplete="off"
        spellcheck={false}
        value={value}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
        {...others}
      />
      {children}
    </div>
  );
}

export function Tabs<Kind extends string>({
  label,
  kinds,
  words,
  chosen,
  onChoose,
}: {
  label: string;
  kinds: readonly Kind[];
  words: Record<Kind, string>;
  chosen: Kind;
  onChoose: (kind: Kind) => void;
}) {
  return (
    <div class="tabs" role="group" aria-label={label}>
      {kinds.map((each) => (
        <button key={each} type="button" aria-pressed={chosen === each} onClick={() => onChoose(each)}>
          {words[each]}
        </button>
      ))}
    </div>
  );
}
