/** The place of a list that is on its way, with the geometry of what comes. */
export function ListBones({ label, rows, face, lines = ['w4'], bare = false }: { label?: string; rows: number; face: string; lines?: readonly string[]; bare?: boolean }) {
  return (
    <ul class={`list bones ${bare ? 'bare' : ''}`} aria-busy="true" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => row).map((row) => (
        <li key={row} aria-hidden="true">
          <span class={face} />
          <div class="stack">
            {lines.map((line) => (
              <i key={line} class={`bone ${line}`} />
            ))}
          </div>
          <span />
        </li>
      ))}
    </ul>
  );
}
