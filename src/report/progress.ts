/** One line that says how far a run is: rewritten in place on a terminal, repeated every half minute elsewhere. */
import { clean, formatClock, formatCount, truncate } from './text.ts';

export interface ProgressState {
  /** What is running: the scenario, the shard, the strategy. */
  readonly label: string;
  readonly elapsedMs: number;
  /** From 0 to 1; null if the end is not known. */
  readonly fraction: number | null;
  /** Null if not known. */
  readonly remainingMs: number | null;
  /** Live figures, the most important first: `['splits', 1234]`. */
  readonly figures: readonly (readonly [name: string, value: number])[];
  readonly violations: number;
}

const BAR = 10;

/** The line, at most `width` characters; figures that do not fit are left out from the end, violations never. */
export function renderProgress(state: ProgressState, width: number): string {
  const { label, elapsedMs, fraction, remainingMs, figures, violations } = state;
  const parts = [clean(label), formatClock(elapsedMs)];
  if (fraction !== null) {
    const known = Math.min(1, Math.max(0, fraction));
    const full = Math.floor(known * BAR);
    parts.push(`[${'#'.repeat(full)}${'.'.repeat(BAR - full)}] ${Math.floor(known * 100)}%`);
  }
  if (remainingMs !== null) parts.push(`${formatClock(remainingMs)} left`);
  const end = violations === 0 ? 'no violations' : `VIOLATIONS ${formatCount(violations)}`;
  const shown = figures.map(([name, value]) => `${name} ${formatCount(value)}`);
  const line = (): string => [...parts, ...shown, end].join('  ');
  while (shown.length > 0 && line().length > width) shown.pop();
  while (parts.length > 1 && line().length > width) parts.pop();
  if (line().length > width) parts[0] = truncate(parts[0]!, width - end.length - 2);
  if (parts[0] === '') parts.pop();
  return truncate(line(), width);
}

export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface ProgressOptions {
  /** stderr: results own stdout. */
  readonly stream: ProgressStream;
  readonly quiet: boolean;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const TTY_INTERVAL_MS = 200;
const LINE_INTERVAL_MS = 30_000;
const DEFAULT_COLUMNS = 80;

/** Call `update` as often as is convenient; it writes at 5 Hz on a terminal and every 30 s elsewhere. */
export class ProgressWriter {
  private readonly options: ProgressOptions;
  private last: number;
  /** Length of what stands in the current line of the terminal. */
  private shown = 0;

  constructor(options: ProgressOptions) {
    this.options = options;
    // A terminal shows the first state at once; a log gets no line from a run that is soon over.
    this.last = options.stream.isTTY === true ? -Infinity : options.now();
  }

  update(state: ProgressState): void {
    const { stream, quiet, now } = this.options;
    if (quiet) return;
    const tty = stream.isTTY === true;
    const time = now();
    if (time - this.last < (tty ? TTY_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    this.last = time;
    const columns = stream.columns ?? DEFAULT_COLUMNS;
    if (tty) this.rewrite(renderProgress(state, columns - 1));
    else stream.write(`${renderProgress(state, columns)}\n`);
  }

  /** Removes the line; call it before anything else is written to the terminal, and at the end. */
  clear(): void {
    if (this.shown === 0) return;
    this.rewrite('');
    this.options.stream.write('\r');
  }

  /** Blanks instead of an escape sequence: works on dumb terminals too. */
  private rewrite(line: string): void {
    this.options.stream.write(`\r${line.padEnd(this.shown)}`);
    this.shown = line.length;
  }
}
