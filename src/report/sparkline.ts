/** SPTEs by size over time, one line of ASCII shades per size. */
import type { HugePageSample } from '../measure/summary.ts';
import { formatCount } from './text.ts';

const SHADES = ' .:-=+*#%@';

/** One character per column: the last sample at or before the end of the column, against the largest of all. */
export function sparkline(
  samples: readonly { readonly t: number; readonly value: number }[],
  width: number,
): string {
  if (samples.length === 0 || width <= 0) return '';
  const first = samples[0]!.t;
  const span = samples.at(-1)!.t - first;
  const columns = span === 0 ? 1 : width;
  const most = samples.reduce((max, sample) => Math.max(max, sample.value), 0);
  let line = '';
  let at = 0;
  for (let column = 0; column < columns; column++) {
    const end = columns === 1 ? Infinity : first + (span * column) / (columns - 1);
    while (at + 1 < samples.length && samples[at + 1]!.t <= end) at++;
    const { value } = samples[at]!;
    // What is there is seen, however little it is; only the largest has the darkest shade.
    const shade = value === 0 ? 0 : Math.max(1, Math.floor((value / most) * (SHADES.length - 1)));
    line += SHADES[shade]!;
  }
  return line;
}

const SIZES = [
  { label: '1 GiB', of: (sample: HugePageSample) => sample.pages1g },
  { label: '2 MiB', of: (sample: HugePageSample) => sample.pages2m },
  { label: '4 KiB', of: (sample: HugePageSample) => sample.pages4k },
] as const;

const MAX_COLUMNS = 72;

/** `1 GiB        8 |@@@%#*+=-.     | 0`; sizes that never occurred are left out. */
export function renderHugePages(samples: readonly HugePageSample[], width: number): string[] {
  const rows = SIZES.filter(({ of }) => samples.some((sample) => of(sample) > 0)).map(({ label, of }) => ({
    label,
    start: formatCount(of(samples[0]!)),
    end: formatCount(of(samples.at(-1)!)),
    values: samples.map((sample) => ({ t: sample.t, value: of(sample) })),
  }));
  const startWidth = rows.reduce((max, { start }) => Math.max(max, start.length), 0);
  const endWidth = rows.reduce((max, { end }) => Math.max(max, end.length), 0);
  const columns = Math.max(1, Math.min(MAX_COLUMNS, width - startWidth - endWidth - 10));
  return rows.map(
    ({ label, start, end, values }) =>
      `${label} ${start.padStart(startWidth)} |${sparkline(values, columns)}| ${end.padStart(endWidth)}`,
  );
}
