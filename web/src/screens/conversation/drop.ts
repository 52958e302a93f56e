/** Files that are dropped anywhere on the page belong to the conversation that is open. */
import { useEffect, useRef } from 'preact/hooks';

/** `text` stands over the conversation while files are held above the page; without one nothing is taken. */
export function useDrop(text: string | null, take: (files: readonly File[]) => void): void {
  const latest = useRef({ text, take });
  latest.current = { text, take };
  useEffect(() => {
    if (text === null) return;
    const controller = new AbortController();
    const { signal } = controller;
    // Every element that is entered and left tells of it.
    let depth = 0;
    const show = (shown: boolean): void => {
      const pane = document.querySelector<HTMLElement>('.pane');
      if (shown) pane?.setAttribute('data-drop', latest.current.text ?? '');
      else pane?.removeAttribute('data-drop');
    };
    const on = (name: 'dragenter' | 'dragover' | 'dragleave' | 'drop', job: (event: DragEvent) => void): void =>
      document.addEventListener(
        name,
        (event) => {
          if (!event.dataTransfer?.types.includes('Files')) return;
          event.preventDefault();
          job(event);
        },
        { signal },
      );
    on('dragenter', () => show(++depth > 0));
    on('dragleave', () => show(--depth > 0));
    on('dragover', ({ dataTransfer }) => dataTransfer && (dataTransfer.dropEffect = 'copy'));
    on('drop', ({ dataTransfer }) => {
      depth = 0;
      show(false);
      const files = [...(dataTransfer?.files ?? [])];
      if (files.length > 0) latest.current.take(files);
    });
    return () => {
      show(false);
      controller.abort();
    };
  }, [text === null]);
}
