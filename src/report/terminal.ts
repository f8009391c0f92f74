/**
 * The report of a run for people: a pure function from the outcome to text. Verdict first, then what was split and how
 * the lock behaved, then what was checked, and last one line for scripts, as locktorture ends.
 */
import pc from 'picocolors';
import { ValueHistogram } from '../measure/value-histogram.ts';
import { actorNames, castLines } from './cast-lines.ts';
import { renderLockTable } from './lock-table.ts';
import type { Outcome, OutcomeViolation } from './schema.ts';
import { renderHugePages } from './sparkline.ts';
import {
  clean,
  formatCount,
  formatDuration,
  formatShare,
  formatTime,
  plural,
  wrap,
  wrapCommand,
} from './text.ts';

export interface ReportOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly color: boolean;
}

type Colors = ReturnType<typeof pc.createColors>;

const LABEL_WIDTH = 18;
const MIN_WIDTH = 40;
const NS_PER_MS = 1e6;

const HARD_SPACE = '\u00a0';

/** The text as one word, if it fits into a line with its comma. */
function unbroken(text: string, room: number): string {
  return text.length < room ? clean(text).replaceAll(' ', HARD_SPACE) : text;
}

class Page {
  readonly lines: string[] = [];
  readonly width: number;
  readonly colors: Colors;

  constructor({ width, color }: ReportOptions) {
    this.width = Math.max(MIN_WIDTH, width);
    this.colors = pc.createColors(color);
  }

  section(title: string): void {
    this.lines.push('', this.colors.bold(clean(title)));
  }

  /** A labelled text with a hanging indent, wrapped before it is coloured. A list breaks between its parts if it can. */
  item(label: string, text: string | readonly string[], paint: (line: string) => string = String): void {
    const indent = ' '.repeat(LABEL_WIDTH + 2);
    const room = this.width - indent.length;
    const parts = typeof text === 'string' ? text : text.map((part) => unbroken(part, room)).join(', ');
    wrap(parts, room).forEach((line, at) => {
      const head = at === 0 ? `  ${this.colors.dim(label.padEnd(LABEL_WIDTH))}` : indent;
      this.lines.push(`${head}${paint(line.replaceAll(HARD_SPACE, ' '))}`);
    });
  }

  /** A text below another, indented. */
  text(text: string, indent: number, paint: (line: string) => string = String): void {
    for (const line of wrap(text, this.width - indent))
      this.lines.push(`${' '.repeat(indent)}${paint(line)}`);
  }

  toString(): string {
    return `${this.lines.map((line) => line.trimEnd()).join('\n')}\n`;
  }
}

function verdictPaint(colors: Colors, verdict: Outcome['verdict']): (text: string) => string {
  if (verdict === 'clean') return colors.green;
  return verdict === 'inconclusive' ? colors.yellow : colors.red;
}

function headline(page: Page, outcome: Outcome): void {
  const { runtime, tool, exploration } = outcome;
  const { colors } = page;
  const paint = verdictPaint(colors, outcome.verdict);
  const verdict = outcome.verdict.toUpperCase();
  const title = `${tool.name} ${tool.version}: ${outcome.kind} of ${outcome.scenario}: ${verdict}`;
  const lines = wrap(title, page.width).map((line) =>
    line.endsWith(verdict) ? colors.bold(line.slice(0, -verdict.length)) + paint(verdict) : colors.bold(line),
  );
  page.lines.push(...lines);
  const threads = `${plural(runtime.threads, 'thread')} on ${plural(runtime.cores, 'core')}`;
  const facts = [
    runtime.mode === 'parallel' ? `parallel, ${threads}` : runtime.mode,
    `variant ${outcome.variant}`,
    `seed ${outcome.seed}`,
    formatDuration(outcome.durationMs * NS_PER_MS, 'ns'),
    ...(outcome.traceHash === null ? [] : [`trace ${outcome.traceHash}`]),
    `Node ${runtime.node}`,
  ];
  page.item('run', facts);
  if (exploration !== undefined) {
    const cut = exploration.truncated > 0 ? `, ${formatCount(exploration.truncated)} cut off` : '';
    page.item(
      'explored',
      `${plural(exploration.schedules, 'schedule')} by ${exploration.strategy}, ${plural(exploration.steps, 'step')}${cut}`,
    );
    explorationItems(page, exploration);
  }
  const changed = outcome.changed.map(
    ({ name, value, default: usual }) => `${name}=${value} (default ${usual})`,
  );
  page.item('parameters', changed.length === 0 ? 'all at their defaults' : changed);
}

/** Who made the schedules of a search, and what they covered. */
function explorationItems(page: Page, exploration: NonNullable<Outcome['exploration']>): void {
  const { dealt, coverage, workers } = exploration;
  if (dealt !== undefined && dealt.some(({ schedules }) => schedules > 0)) {
    page.item('dealt to', tally(dealt.map(({ strategy, schedules }) => [strategy, schedules] as const)));
  }
  if (workers !== undefined && workers > 1) page.item('searched by', plural(workers, 'thread'));
  if (coverage === undefined) return;
  const { behaviours, pairs } = coverage;
  const about = behaviours.exact ? '' : 'about ';
  page.item('behaviours', [
    `${about}${formatCount(behaviours.distinct)} different`,
    `the next schedule is new with probability ${formatShare(behaviours.nextIsNew)}`,
  ]);
  if (pairs.seen > 0) {
    page.item(
      'operation pairs',
      `${formatCount(pairs.seen)} met on a word, ${formatCount(pairs.bothOrders)} of them in both orders (${formatShare(pairs.bothOrders / pairs.seen)})`,
    );
  }
}

/** `a 3, b 2`: only what occurred, the most frequent first. */
function tally(entries: readonly (readonly [string, number])[]): string {
  return entries
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([name, n]) => `${name} ${formatCount(n)}`)
    .join(', ');
}

/** `12 (a 7, b 5)`, or `none`. */
function counted(total: number, entries: readonly (readonly [string, number])[]): string {
  if (total === 0) return 'none';
  const parts = tally(entries);
  return parts === '' ? formatCount(total) : `${formatCount(total)} (${parts})`;
}

function splitSection(page: Page, { statistics }: Outcome): void {
  const { splits, yields, unit } = statistics;
  page.section('Splitting');
  const rate = splits.perSecond === null ? '' : ` (${formatCount(splits.perSecond)}/s)`;
  const of = splits.timeOf === 'run' ? ' of the whole run' : '';
  const sizes = counted(splits.ok, [
    ['1 GiB', splits.from1g],
    ['2 MiB', splits.from2m],
  ]);
  page.item('huge pages split', `${sizes} in ${formatDuration(splits.time, unit)}${of}${rate}`);
  if (splits.ok > 0) {
    page.item(
      'child tables',
      `${formatCount(splits.newTables)} new, ${formatCount(splits.reusedTables)} reused`,
    );
  }
  const fruitless =
    splits.roundsWithoutSplit > 0 ? ` (${formatCount(splits.roundsWithoutSplit)} without a split)` : '';
  page.item('EAGAIN rounds', `${formatCount(splits.eagain)}${fruitless}`);
  page.item('failed', `ENOSPC ${formatCount(splits.enospc)}, ENOMEM ${formatCount(splits.enomem)}`);
  const { topup, walker } = yields;
  page.item(
    'yields for topup',
    counted(topup.total, [
      ['contended', topup.contended],
      ['resched', topup.resched],
      ['cache low', topup.cacheLow],
    ]),
  );
  page.item(
    'yields of walker',
    counted(walker.total, [
      ['contended', walker.contended],
      ['resched', walker.resched],
    ]),
  );
  page.item('restarts', formatCount(splits.restarts));
  page.item(
    'splits per hold',
    splits.perHold === null
      ? 'mmu_lock was never dropped for a topup'
      : `${splits.perHold.toFixed(2)} (${plural(splits.holds, 'hold')} ended by a topup)`,
  );
  const latency = ValueHistogram.from(statistics.dropLatency);
  if (latency.count > 0) {
    const [p50, p99, max] = [latency.percentile(50), latency.percentile(99), latency.max].map((value) =>
      formatTime(value, unit),
    );
    const suffix = unit === 'ns' ? 'µs' : 'steps';
    page.item(
      'waiter to drop',
      `p50 ${p50}, p99 ${p99}, max ${max} ${suffix} (${plural(latency.count, 'sample')})`,
    );
  }
}

function lockSection(page: Page, { statistics }: Outcome): void {
  const { unit, locks } = statistics;
  page.section(`Locks (times in ${unit === 'ns' ? 'µs' : 'steps'})`);
  const used = locks.filter((lock) => lock.total.acquisitions > 0);
  if (used.length === 0) {
    page.lines.push('  no lock was recorded');
    return;
  }
  const table = renderLockTable(used, { unit, width: page.width - 2, bold: page.colors.bold });
  page.lines.push(...table.map((line) => `  ${line}`));
  for (const { name, handOffs } of used) {
    if (handOffs.length === 0) continue;
    const pairs = handOffs.map(({ from, to, count }) => [`${from} to ${to}`, count] as const);
    page.item('hand-offs', `${name}: ${tally(pairs)}`);
  }
}

const RESULTS: Readonly<Record<Outcome['statistics']['migration']['result'], string>> = {
  equal: 'the destination equals the source',
  different: 'THE DESTINATION DIFFERS FROM THE SOURCE',
  unfinished: 'not finished',
  none: 'none',
};

function machineSection(page: Page, { statistics }: Outcome): void {
  const { flushes, faults, migration, hugePages, unit } = statistics;
  page.section('Machine');
  const kicks = flushes.total > 0 ? `; ${plural(flushes.ipis, 'vCPU')} kicked` : '';
  page.item('TLB flushes', `${counted(flushes.total, Object.entries(flushes.byReason))}${kicks}`);
  const kinds = [
    ['fixed', faults.fixed],
    ['spurious', faults.spurious],
    ['retried', faults.retried],
    ['emulated', faults.emulated],
    ['injected', faults.injected],
  ] as const;
  const extra = tally([
    ['NX splits', faults.nxSplits],
    ['prefetched', faults.prefetched],
  ]);
  page.item('faults', `${counted(faults.total, kinds)}${extra === '' ? '' : `; ${extra}`}`);
  const { rounds, pagesCopied, pagesCompared, result } = migration;
  const work = `${plural(rounds, 'round')}, ${plural(pagesCopied, 'page')} copied, ${formatCount(pagesCompared)} compared: `;
  const bad = result === 'different';
  page.item(
    'migration',
    `${result === 'none' ? '' : work}${RESULTS[result]}`,
    bad ? page.colors.red : undefined,
  );
  const chart = renderHugePages(hugePages, page.width - 4);
  if (chart.length === 0) return;
  const span = formatDuration(hugePages.at(-1)!.t - hugePages[0]!.t, unit);
  page.item('pages by size', `over ${span}, ${plural(hugePages.length, 'sample')}`);
  page.lines.push(...chart.map((line) => `    ${line}`));
}

/** Who else acted and what they did; nothing if nobody did anything. */
function castSection(page: Page, { statistics, actors }: Outcome): void {
  const lines = castLines(statistics.counters.total);
  if (lines.length === 0) return;
  page.section('Cast');
  page.item('actors', actorNames(actors.map(({ name }) => name)));
  for (const { label, parts } of lines) page.item(label, parts);
}

function violationLines(page: Page, violation: OutcomeViolation, index: number): void {
  const { colors } = page;
  const sentence = violation.sentence === '' ? '' : `: ${violation.sentence}`;
  page.text(`${index + 1}. ${violation.id}${sentence}`, 2, colors.red);
  page.text(violation.text, 5);
  const at = violation.step < 0 ? '' : ` at step ${formatCount(violation.step)}`;
  const who = violation.actor < 0 ? violation.actorName : `${violation.actorName} (actor ${violation.actor})`;
  const words = violation.words.length === 0 ? '' : `; words ${violation.words.join(', ')}`;
  page.text(`by ${who}${at}${words}`, 5, colors.dim);
}

/** One line on whether the net is alive. */
export function canaryText({ alive, proved, dead }: NonNullable<Outcome['canary']>): string {
  return alive ? `alive: the ${proved.length} things that must go wrong did` : `DEAD: ${dead.join('; ')}`;
}

function checkSection(page: Page, outcome: Outcome): void {
  const { checks, violations, actors } = outcome;
  page.section('Checks');
  const ids = checks.ran.length === 0 ? '' : ` (${checks.ran.join(' ')})`;
  page.item(
    'ran',
    `${formatCount(checks.ran.length)}${ids}, state inspected ${plural(checks.stops, 'time')}`,
  );
  const { canary } = outcome;
  if (canary !== undefined)
    page.item('canary', canaryText(canary), canary.alive ? undefined : page.colors.red);
  const odd = actors.filter((actor) => actor.status !== 'done');
  const done =
    odd.length === 0 ? `all ${formatCount(actors.length)} done` : `${actors.length - odd.length} done`;
  page.item('actors', actors.length === 0 ? 'none' : done);
  for (const { name, status, error } of odd) {
    page.item('', `${name} ${status}${error === undefined ? '' : `: ${error}`}`, page.colors.red);
  }
  page.item('violations', violations.length === 0 ? 'none' : formatCount(violations.length));
  violations.forEach((violation, index) => violationLines(page, violation, index));
}

/** The line for scripts: a word and `key=value` pairs without spaces. */
export function verdictLine({ verdict, violations, exitStatus, seed }: Outcome): string {
  const first = violations[0] === undefined ? '' : ` first=${violations[0].id}`;
  const line =
    `${verdict === 'clean' ? 'SUCCESS' : 'FAILURE'} verdict=${verdict} violations=${violations.length}${first} ` +
    `exit=${exitStatus} seed=${clean(seed).replaceAll(' ', '_')}`;
  return clean(line);
}

/** The whole report; it ends with how to run the same again and with the line for scripts. */
export function renderReport(outcome: Outcome, options: ReportOptions): string {
  const page = new Page(options);
  const { colors } = page;
  headline(page, outcome);
  splitSection(page, outcome);
  lockSection(page, outcome);
  machineSection(page, outcome);
  castSection(page, outcome);
  checkSection(page, outcome);
  if (outcome.caveats.length > 0) {
    page.section('Caveats');
    for (const caveat of outcome.caveats) {
      wrap(caveat, page.width - 4).forEach((line, at) => {
        page.lines.push(`${at === 0 ? '  - ' : '    '}${colors.yellow(line)}`);
      });
    }
  }
  page.section('To run it again');
  page.lines.push(...wrapCommand(outcome.reproduce.command, page.width - 4).map((line) => `  ${line}`));
  if (outcome.token !== null) {
    if (outcome.verdict === 'violation') page.lines.push(`  npx splitstorm explain ${outcome.token}`);
    page.item('token', outcome.token);
  }
  page.lines.push('', verdictPaint(colors, outcome.verdict)(verdictLine(outcome)));
  return page.toString();
}
