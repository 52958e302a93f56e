/** What every panel beside a conversation has: its head with what can be done, and Esc, which closes it. Over the pane it takes the focus, and gives it back. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../../parts/icon.tsx';
import type { Chat } from '../../state/state.ts';
import { texts } from '../../texts/texts.ts';
import { closePanel, isOver } from './about.ts';

export function PanelFrame({ chat, title, label, actions, children }: { chat: Chat; title: string; label: string; actions?: ComponentChildren; children: ComponentChildren }) {
  const { common } = texts.value;
  const closing = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOver.value) return;
    closing.current?.focus();
    return () => document.getElementById('about')?.focus();
  }, []);
  return (
    <aside
      class="panel"
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
      <div class="scroll" tabIndex={0} role="region" aria-label={label}>
        {children}
      </div>
    </aside>
  );
}
