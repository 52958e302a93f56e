/** Something to fill in, to choose or to answer, above the page. The focus stays in it and goes back where it was; Esc closes. */
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

export function Dialog({ title, describedBy, onClose, children }: { title: string; describedBy?: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const isGone = useRef(false);
  const id = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    // The buttons of a message go when it has the focus no more; the message itself stays.
    const row = before?.closest('article');
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      isGone.current = true;
      // While it is open nothing outside of it takes the focus.
      shown?.close();
      const back = before?.isConnected ? before : row;
      if (back instanceof HTMLElement) back.focus();
    };
  }, []);
  return (
    <dialog class="confirm" ref={dialog} aria-labelledby={id} aria-describedby={describedBy} onClose={() => isGone.current || onClose()}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}
