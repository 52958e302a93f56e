/** One part of the page: its heading beside it, or above where there is little room. */
import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

export function Part({ title, children }: { title: string; children: ComponentChildren }) {
  const id = useId();
  return (
    <section class="split" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}
