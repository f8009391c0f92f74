/** The report of a conformance run for people: pure functions from verdicts to lines. */
import pc from 'picocolors';
import { clean, formatCount, plural, wrap } from '../../report/text.ts';
import { MAX_ALLOWED_SHARE } from '../allowed.ts';
import { KINDS, type Counted, type KeptDifference } from '../compare/difference.ts';
import { operationBefore } from '../describe.ts';
import type { Recording } from '../recording.ts';
import { firstDifference, sumCounts, unexplained, type Verdict } from '../verdict.ts';
import { fileTable, kindTable, percent, type Colors } from './tables.ts';

export interface ReportOptions {
  readonly width: number;
  readonly color: boolean;
}

/** A label and a text with a hanging indent. */
export function labelled(label: string, text: string, indent: number, width: number, room = 10): string[] {
  const head = ' '.repeat(indent) + label.padEnd(room);
  return wrap(clean(text), Math.max(20, width - head.length)).map(
    (line, k) => (k === 0 ? head : ' '.repeat(head.length)) + line,
  );
}

/** Where it shows, what was expected and what came, and the operation it follows. */
export function differenceLines(
  difference: KeptDifference,
  recording: Recording,
  { width }: ReportOptions,
  sides: readonly [string, string],
): string[] {
  const { op, snapshot, where, kind, expected, actual } = difference;
  const seen = snapshot === undefined ? '' : `, seen in snapshot "${snapshot}"`;
  const room = Math.max(10, ...sides.map((side) => side.length + 1));
  return [
    ...labelled('after', `${operationBefore(recording, op)}${seen}`, 4, width, room),
    ...labelled(kind, where, 4, width, room),
    ...labelled(sides[0], expected, 4, width, room),
    ...labelled(sides[1], actual, 4, width, room),
  ];
}

const SIDES = ['kernel', 'model'] as const;

function unknownText({ unknownEvents }: Verdict): string | undefined {
  if (unknownEvents.size === 0) return undefined;
  return [...unknownEvents].map(([type, times]) => `${type} (${formatCount(times)})`).join(', ');
}

/** What follows the table for a file that needs words. */
function fileLines(verdict: Verdict, options: ReportOptions, colors: Colors): string[] {
  const { recording, tally, troubles, notCompared, conforms } = verdict;
  const total = tally.total();
  const lines = [
    `${colors.bold(clean(recording.name))}, ${clean(recording.kernel.variant)}, held against ${verdict.engine}: ` +
      (conforms ? colors.green('conforms') : colors.red(plural(unexplained(total), 'difference'))),
  ];
  for (const trouble of troubles) lines.push(...labelled('trouble', trouble, 4, options.width));
  const first = firstDifference(tally);
  if (first !== undefined) lines.push(...differenceLines(first, recording, options, SIDES));
  if (notCompared.length > 0)
    lines.push(
      ...labelled(
        'left out',
        `${notCompared.join(', ')}: this build of the kernel cannot show it`,
        4,
        options.width,
      ),
    );
  const unknown = unknownText(verdict);
  if (unknown !== undefined)
    lines.push(
      ...labelled('unknown', `events of types that nobody knows here: ${unknown}`, 4, options.width),
    );
  return lines;
}

function totalsLines(verdicts: readonly Verdict[], colors: Colors): string[] {
  const counts = sumCounts(verdicts.map(({ tally }) => tally.counts));
  const total = KINDS.reduce<Counted>(
    (sum, kind) => ({
      compared: sum.compared + counts[kind].compared,
      different: sum.different + counts[kind].different,
      allowed: sum.allowed + counts[kind].allowed,
    }),
    { compared: 0, different: 0, allowed: 0 },
  );
  return [
    colors.bold('By kind of value'),
    ...kindTable(counts),
    '',
    `${formatCount(total.compared)} values compared; ${formatCount(unexplained(total))} differ; ` +
      `${formatCount(total.allowed)} (${percent(total.allowed, total.compared)}) differ as docs/conformance.md lists, ` +
      `at most ${100 * MAX_ALLOWED_SHARE} % of a recording may.`,
  ];
}

export function conformReport(verdicts: readonly Verdict[], options: ReportOptions): string {
  const colors = pc.createColors(options.color);
  const lines: string[] = [];
  if (verdicts.length > 1) lines.push(...fileTable(verdicts, options.width, colors), '');
  const worthWords = verdicts.filter(
    (verdict) => verdicts.length === 1 || !verdict.conforms || verdict.unknownEvents.size > 0,
  );
  for (const verdict of worthWords) lines.push(...fileLines(verdict, options, colors), '');
  lines.push(...totalsLines(verdicts, colors), '', scriptLine(verdicts));
  return `${lines.join('\n')}\n`;
}

/** The last line, for scripts. */
export function scriptLine(verdicts: readonly Verdict[]): string {
  const bad = verdicts.filter(({ conforms }) => !conforms).length;
  return `${bad === 0 ? 'SUCCESS' : 'FAILURE'} recordings=${verdicts.length} conform=${verdicts.length - bad} differ=${bad}`;
}
