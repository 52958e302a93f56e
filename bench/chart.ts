/** A line chart as SVG, plain enough for a README: a few series over a logarithmic x axis, with a legend. Light and dark by the reader's setting. */
export type Chart = { title: string; x: string; y: string; points: number[]; series: Record<string, (number | null)[]>; logarithmicY?: boolean };

const [width, height, left, right, top, bottom] = [720, 400, 70, 200, 50, 50];
const colours = ['#3b6fd4', '#c2571a', '#2f8f5b', '#8a4fbf', '#777777'];

export function chart({ title, x, y, points, series, logarithmicY = false }: Chart): string {
  const values = Object.values(series)
    .flat()
    .filter((value) => value !== null && value > 0) as number[];
  const scaleY = logarithmicY ? logScale(Math.min(...values), Math.max(...values), height - bottom, top) : linearScale(Math.max(...values), height - bottom, top);
  const place = (index: number): number => left + (index * (width - left - right)) / Math.max(1, points.length - 1);
  const grid = scaleY.ticks.map(
    (tick) =>
      `<line x1="${left}" x2="${width - right}" y1="${scaleY.at(tick)}" y2="${scaleY.at(tick)}" class="grid"/><text x="${left - 8}" y="${scaleY.at(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
  );
  const labels = points.map((point, index) => `<text x="${place(index)}" y="${height - bottom + 20}" text-anchor="middle">${label(point)}</text>`);
  const lines = Object.entries(series).map(([name, ofSeries], index) => {
    const dots = ofSeries.flatMap((value, at) => (value === null || value <= 0 ? [] : [[place(at), scaleY.at(value)] as const]));
    const colour = colours[index % colours.length];
    return `<polyline points="${dots.map((dot) => dot.join(',')).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>
${dots.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`).join('')}
<rect x="${width - right + 20}" y="${top + index * 24}" width="12" height="12" fill="${colour}"/><text x="${width - right + 40}" y="${top + index * 24 + 10}">${name}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<style>text{font:13px system-ui,sans-serif;fill:#444}.title{font-weight:600;font-size:15px}.grid{stroke:#8884}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>
<text x="${left}" y="24" class="title">${title}</text>
${grid.join('\n')}
${labels.join('\n')}
<text x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">${x}</text>
<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${y}</text>
${lines.join('\n')}
</svg>
`;
}

const label = (value: number): string => (value >= 1e6 ? `${value / 1e6}M` : value >= 1_000 ? `${value / 1_000}k` : String(value));

function linearScale(most: number, from: number, to: number) {
  const step = 10 ** Math.floor(Math.log10(most / 2));
  const tick = most / step > 10 ? step * 5 : most / step > 5 ? step * 2 : step;
  const end = Math.ceil(most / tick) * tick;
  return {
    at: (value: number): number => Math.round(from + ((to - from) * value) / end),
    ticks: Array.from({ length: Math.round(end / tick) + 1 }, (_, index) => Number((index * tick).toPrecision(6))),
  };
}

function logScale(least: number, most: number, from: number, to: number) {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  return {
    at: (value: number): number => Math.round(from + ((to - from) * (Math.log10(value) - first)) / Math.max(1, last - first)),
    ticks: Array.from({ length: last - first + 1 }, (_, index) => Number((10 ** (first + index)).toPrecision(6))),
  };
}
