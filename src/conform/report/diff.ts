/** The report of `conform --diff`: two recordings side by side. */
import pc from 'picocolors';
import { clean, formatCount, wrap } from '../../report/text.ts';
import type { Comparison } from '../compare/compare.ts';
import { KIND_GROUPS } from '../compare/difference.ts';
import { countsJson, unexplained } from '../verdict.ts';
import { differenceWords, type Named } from '../words.ts';
import { kindTable } from './tables.ts';
import { differenceLines, labelled, type ReportOptions } from './text.ts';

function describe({ name, recording }: Named, file: string): string {
  const { variant, release } = recording.kernel;
  return clean(`${name}: ${recording.name} of ${variant} (${release}), ${file}`);
}

/**
 * @param pair named for people: by their kernels if these differ, else A and B
 * @param files of the two
 */
export function diffReport(
  pair: readonly [Named, Named],
  files: readonly [string, string],
  comparison: Comparison,
  options: ReportOptions,
): string {
  const colors = pc.createColors(options.color);
  const { tally, notCompared } = comparison;
  const total = tally.total();
  const words = differenceWords(pair, tally);
  const lines = pair.flatMap((side, k) => wrap(describe(side, files[k]!), options.width));
  lines.push('');
  if (unexplained(total) === 0)
    lines.push(
      colors.green(
        `Nothing differs in ${formatCount(total.compared)} values${total.allowed > 0 ? `, but ${formatCount(total.allowed)} in time only` : ''}.`,
      ),
    );
  else {
    lines.push(colors.bold('In words'));
    for (const sentence of words)
      lines.push(
        ...wrap(clean(sentence), options.width - 4).map((line, k) => (k === 0 ? '  - ' : '    ') + line),
      );
    lines.push('', colors.bold('By kind of value'), ...kindTable(tally.counts, false), '');
    const shown = new Set<string>();
    lines.push(colors.bold('First differences'));
    for (const [head, kinds] of Object.entries(KIND_GROUPS)) {
      const first = tally
        .differences()
        .find(({ kind, allowed }) => allowed === undefined && kinds.includes(kind));
      if (first === undefined || shown.has(head)) continue;
      shown.add(head);
      lines.push(
        `  ${head}`,
        ...differenceLines(first, pair[0].recording, options, [pair[0].name, pair[1].name]),
      );
    }
  }
  if (notCompared.length > 0)
    lines.push(
      '',
      ...labelled('left out', `${notCompared.join(', ')}: not both builds can show it`, 0, options.width),
    );
  lines.push(
    '',
    `${unexplained(total) === 0 ? 'SUCCESS' : 'FAILURE'} values=${total.compared} different=${unexplained(total)}`,
  );
  return `${lines.join('\n')}\n`;
}

export function diffJson(pair: readonly [Named, Named], { tally, notCompared }: Comparison): unknown {
  const side = ({ name, recording }: Named): unknown => ({
    called: name,
    name: recording.name,
    kernel: recording.kernel,
  });
  return {
    a: side(pair[0]),
    b: side(pair[1]),
    words: differenceWords(pair, tally),
    ...tally.total(),
    kinds: countsJson(tally),
    notCompared,
    differences: tally.differences().slice(0, 100),
  };
}
