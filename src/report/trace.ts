/**
 * The trace of a controlled run: one column per actor, visible operations only, a line wherever the scheduler
 * switched, spin loops folded. Lines come one by one, so a trace of any length can be streamed.
 */
import pc from 'picocolors';
import { OP_NAMES } from '../cpu/steps.ts';
import { ActorColumns } from './columns.ts';
import { clean, truncate } from './text.ts';

/** One visible operation. */
export interface TraceRow {
  readonly step: number;
  /** Index of the actor. */
  readonly actor: number;
  /** An Op. */
  readonly op: number;
  /** What the word is. */
  readonly what: string;
  /** The value seen or written; a number is shown in decimal if small and in hexadecimal otherwise. */
  readonly value: number | string;
  /** On the first operation after a switch: why. Elsewhere: a remark. */
  readonly note?: string;
  /** The move that it is the first operation of, in words: `unmap (move 4)`. */
  readonly move?: string;
  /** What the model said just after the operation, in the kernel's words: a line each. */
  readonly events?: readonly string[];
}

/** A visible operation with what an explanation needs of it beside what a trace shows. */
export interface RecordedStep extends TraceRow {
  readonly word: number;
  /** What the word held before, as `value` shows what it holds after. */
  readonly was: number | string;
  /** It changed the word. */
  readonly changed: boolean;
  /** The lock that the operation took or dropped: `mmu_lock for write`. */
  readonly lock?: { readonly name: string; readonly taken: boolean };
  /** Why another actor had moved before, on the first operation after a switch. */
  readonly because?: SwitchReason;
}

/** Why the scheduler went on with another actor. */
export type SwitchReason = 'start' | 'preempted' | 'yielded' | 'blocked' | 'ended';

export interface TraceOptions {
  /** Names of the actors by index. */
  readonly actors: readonly string[];
  readonly width: number;
  readonly color: boolean;
}

/** Longest loop that is recognised as a spin: load, compare-exchange, load, wait. */
const LONGEST_SPIN = 4;
/** A description is not cut below this. */
const SHORTEST_WHAT = 6;
/** So many actors have a column each, whether they act or not. */
const FEW_ACTORS = 4;
const DECIMAL_LIMIT = 10_000;

const showValue = (value: number | string): string => {
  if (typeof value === 'string') return clean(value);
  return Math.abs(value) < DECIMAL_LIMIT ? String(value) : `0x${(value >>> 0).toString(16)}`;
};

/** Too long a cell loses the end of the description, not the value. */
function cellOf({ op, what, value }: TraceRow, width: number): string {
  const kind = OP_NAMES[op] ?? `op ${op}`;
  const shown = showValue(value);
  const room = Math.max(SHORTEST_WHAT, width - kind.length - shown.length - ' '.length - ' = '.length);
  return `${kind} ${truncate(clean(what), room)} = ${shown}`;
}

function same(a: TraceRow, b: TraceRow): boolean {
  return (
    a.actor === b.actor &&
    a.op === b.op &&
    a.what === b.what &&
    a.value === b.value &&
    b.note === undefined &&
    a.events === undefined &&
    b.events === undefined
  );
}

interface Spin {
  readonly length: number;
  /** How often the first `length` rows come again. */
  readonly again: number;
}

/** The spin that begins at `at`, the shortest loop first. */
function spinAt(rows: readonly TraceRow[], at: number): Spin | undefined {
  for (let length = 1; length <= LONGEST_SPIN; length++) {
    // A loop of several operations must be one actor's.
    if (at + length > rows.length || rows[at + length - 1]!.actor !== rows[at]!.actor) return undefined;
    let end = at + length;
    while (end < rows.length && same(rows[end - length]!, rows[end]!)) end++;
    const again = Math.floor((end - at) / length) - 1;
    if (again > 0) return { length, again };
  }
  return undefined;
}

/**
 * The actors that get a column, by index: all where there are few, otherwise those that do something in these rows. A machine
 * with the whole cast has many, and some of them are at home.
 */
export function shownActors(rows: readonly TraceRow[], actors: number): number[] {
  const all = Array.from({ length: actors }, (_, actor) => actor);
  if (actors <= FEW_ACTORS) return all;
  const active = new Set(rows.map((row) => row.actor));
  return all.filter((actor) => active.has(actor));
}

/** The lines of the trace, none wider than `width`. */
export function* renderTrace(
  rows: readonly TraceRow[],
  options: TraceOptions,
): Generator<string, void, void> {
  const colors = pc.createColors(options.color);
  const shown = shownActors(rows, options.actors.length);
  const layout = new ActorColumns(
    shown,
    options.actors,
    String(rows.at(-1)?.step ?? 0).length,
    options.width,
  );
  const operation = (row: TraceRow): string => {
    const name = layout.shared ? `${layout.name(row.actor)}: `.length : 0;
    return layout.line(String(row.step), row.actor, cellOf(row, layout.columns - name));
  };
  yield colors.bold(layout.header());
  let current = -1;
  for (let at = 0; at < rows.length;) {
    const first = rows[at]!;
    if (first.actor !== current) {
      const why = first.note === undefined ? '' : ` (${clean(first.note)})`;
      yield colors.cyan(layout.across(`--> ${layout.name(first.actor)}${why}`));
    } else if (first.note !== undefined) {
      yield colors.dim(layout.across(`; ${clean(first.note)}`));
    }
    current = first.actor;
    const spin = spinAt(rows, at);
    const block = spin?.length ?? 1;
    for (let i = at; i < at + block; i++) {
      const row = rows[i]!;
      if (i > at && row.note !== undefined) yield colors.dim(layout.across(`; ${clean(row.note)}`));
      yield operation(row);
      for (const event of row.events ?? []) yield colors.yellow(layout.across(`* ${clean(event)}`));
    }
    at += block;
    if (spin === undefined) continue;
    at += spin.length * spin.again;
    const what = spin.length === 1 ? '' : `${spin.length} ops `;
    yield colors.dim(layout.line('', first.actor, `... ${what}x${spin.again} to ${rows[at - 1]!.step}`));
  }
}
