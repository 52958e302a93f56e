/** What every panel beside a conversation has: its head with what can be done, and Esc, which closes it. Over the pane it takes the focus, and gives it back. */
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../../parts/icon.tsx';
import type { Chat } from '../../state/state.ts';
import { texts } from '../../texts/texts.ts';
import { closePanel, isOver } from './about.ts';

type Props = {
  chat: Chat;
  title: string;
  label: string;
  actions?: ComponentChildren;
  /** Below what scrolls. */
  foot?: ComponentChildren;
  wide?: boolean;
  scroller?: RefObject<HTMLDivElement | null>;
  onScroll?: () => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  /** Where the focus goes when it closes; the button that opened it, when nothing is said. */
  back?: () => HTMLElement | null;
  children: ComponentChildren;
};

export function PanelFrame({ chat, title, label, actions, foot, wide = false, scroller, onScroll, onKeyDown, back, children }: Props) {
  const { common } = texts.value;
  const closing = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOver.value && !back) return;
    if (isOver.value) closing.current?.focus();
    return () => (back?.() ?? document.getElementById('about'))?.focus({ preventScroll: true });
  }, []);
  return (
    <aside
      class={wide ? 'panel wide' : 'panel'}
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || event.defaultPrevented) return;
        event.preventDefault();
        closePanel(chat);
      }}
    >
      <header class="bar">
        <h2 id="panel-title">{title}</h2>
        {actions}
        <button class="ib" type="button" ref={closing} aria-label={common.close} title={common.close} onClick={() => closePanel(chat)}>
          <Icon name="close" />
        </button>
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-label={label} ref={scroller} onScroll={onScroll} onKeyDown={onKeyDown}>
        {children}
      </div>
      {foot}
    </aside>
  );
}
