/** The list of keys that `?` opens. */
import { Dialog } from '../parts/dialog.tsx';
import { texts } from '../texts/texts.ts';

export function KeyList({ onClose }: { onClose: () => void }) {
  const { keys: words, common } = texts.value;
  const control = /Mac|iP/.test(navigator.userAgent) ? '⌘' : 'Ctrl';
  const everywhere: [string, string][] = [
    [`${control} K`, words.find],
    ['Alt ↓ ↑', words.next],
    ['Alt Shift ↓ ↑', words.nextUnread],
    [`${control} Shift F`, words.search],
    [`${control} Shift N`, words.create],
    ['Enter', words.send],
    ['Shift Enter', words.newLine],
    ['↑', words.editLast],
    [`${control} U`, words.files],
    ['Esc', words.back],
    ['?', words.list],
  ];
  const inMessages: [string, string][] = [
    ['↑ ↓', words.move],
    ['Home End', words.ends],
    ['Enter', words.actions],
    ['R', words.reply],
    ['T', words.thread],
    ['+', words.react],
    [`${control} C`, words.copyIt],
    ['Del', words.deleteIt],
  ];
  return (
    <Dialog title={words.title} onClose={onClose}>
      <Keys of={everywhere} />
      <h3>{words.inMessages}</h3>
      <Keys of={inMessages} />
      <div class="row-btns">
        <button class="btn text" type="button" autofocus onClick={onClose}>
          {common.close}
        </button>
      </div>
    </Dialog>
  );
}

function Keys({ of }: { of: readonly [string, string][] }) {
  return (
    <dl class="key-list">
      {of.map(([keys, what]) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>
            <kbd>{keys}</kbd>
          </dd>
        </div>
      ))}
    </dl>
  );
}
