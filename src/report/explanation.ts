/**
 * The explanation of a failure in at most 40 lines: what was broken, the schedule with only what matters, the pair of operations
 * that must be swapped for it to pass, the state that broke, and how to see it again. A pure function from data to lines; the layout
 * follows Lincheck's report: a column per actor, lines where the scheduler switched and why, spin loops folded.
 */
import pc from 'picocolors';
import { isWrite, OP_NAMES } from '../cpu/steps.ts';
import { ActorColumns } from './columns.ts';
import { findSpins, type Spin } from './spins.ts';
import { clean, formatCount, plural, truncate, wrap } from './text.ts';
import type { RecordedStep } from './trace.ts';

/** A word of the violation as it is at the end. */
export interface BrokenWord {
  readonly name: string;
  readonly value: string;
  /** The visible operation that changed it last; absent if none did. */
  readonly writer?: {
    readonly step: number;
    readonly actor: number;
    readonly was: number | string;
    readonly value: number | string;
  };
  readonly notes: readonly string[];
}

export interface Explanation {
  readonly scenario: string;
  readonly variant: string;
  /** Parameters that differ from the defaults: `vcpus=1`. */
  readonly parameters: readonly string[];
  /** Names of actors that were left out. */
  readonly idle: readonly string[];
  /** Moves that are left of actors that do not make all of theirs: `3-5, 9 of L2 vCPU 0`. */
  readonly kept: readonly string[];
  readonly violation: {
    readonly id: string;
    readonly sentence: string;
    readonly text: string;
    /** -1: nobody was running. */
    readonly actor: number;
  };
  readonly actors: readonly string[];
  readonly steps: readonly RecordedStep[];
  /** How much each step matters, by its place in `steps`; 0 or absent: not at all. */
  readonly matters: ReadonlyMap<number, number>;
  readonly preemptions: number;
  /** Steps of the critical pair, and what happens when they are swapped. */
  readonly pair?: { readonly first: number; readonly second: number; readonly instead: string | undefined };
  /** Pairs that were swapped and run, and how many there are. */
  readonly swapped: { readonly tried: number; readonly candidates: number };
  readonly broken: readonly BrokenWord[];
  /** Locks that are held when it breaks, a sentence each. */
  readonly held: readonly string[];
  /** What shrinking did, in one sentence or two; empty if the run was not shrunk. */
  readonly shrunk: string;
  /** Commands with what each is for: `replay`, `trace`. */
  readonly commands: readonly (readonly [what: string, command: string])[];
}

export interface ExplanationOptions {
  readonly width: number;
  readonly color: boolean;
}

export const MAX_LINES = 40;
const NARROWEST = 40;
/** Lines of the schedule that are always shown. */
const LEAST_SCHEDULE = 14;
const INDENT = 2;

type Colors = ReturnType<typeof pc.createColors>;

const show = (value: number | string): string => {
  if (typeof value === 'string') return clean(value).replace(/^-> /, '');
  return Math.abs(value) < 1024 ? String(value) : `0x${(value >>> 0).toString(16)}`;
};

/** One operation in words: `takes mmu_lock for write`, `L2[1]@0x20: none -> table 5`, `reads L3[0]@0x8: table 39`. */
export function stepWords(step: RecordedStep): string {
  const { op, what, was, value, changed, lock } = step;
  if (lock !== undefined) return `${lock.taken ? 'takes' : 'drops'} ${lock.name}`;
  const name = clean(what);
  if (changed) return `${name}: ${show(was)} -> ${show(value)}`;
  const kind = OP_NAMES[op] ?? `op ${op}`;
  if (kind.startsWith('cmpxchg')) return `tries ${name}, finds ${show(value)}`;
  if (kind === 'wait') return `waited for ${name}`;
  return isWrite(op) ? `${kind} ${name}: stays ${show(value)}` : `reads ${name}: ${show(value)}`;
}

/** A spin in words: `spins 12 times on vCPU 0 mode until migration changes it at step 40`. */
function spinWords({ rounds, on, endedBy, endless }: Spin, { steps, actors }: Explanation): string {
  const times = `spins ${formatCount(rounds)} times`;
  const words = on.map(clean).join(' and ');
  if (endless) return `${times}, to the end, on ${words}`;
  if (endedBy === undefined) return `${times} on ${words}`;
  const { actor, step, what } = steps[endedBy]!;
  return `${times} on ${clean(what)} until ${clean(actors[actor] ?? `actor ${actor}`)} changes it at step ${step}`;
}

interface Style {
  readonly width: number;
  readonly colors: Colors;
  /** The spin that the step at a place is part of. */
  readonly spins: ReadonlyMap<number, Spin>;
}

/** The lines of the schedule that show the steps at these places, in order. Of a spin there is one line, at its first. */
function scheduleLines(explanation: Explanation, given: readonly number[], style: Style): string[] {
  const { steps, actors, violation, pair } = explanation;
  const { width, colors, spins } = style;
  const places = [...new Set(given.map((place) => spins.get(place)?.places[0] ?? place))].sort(
    (a, b) => a - b,
  );
  const shown = places.map((place) => steps[place]!);
  const active = [...new Set(shown.map(({ actor }) => actor))].sort((a, b) => a - b);
  const columns = new ActorColumns(active, actors, String(steps.length).length, width);
  const lines = [colors.bold(columns.header())];
  let actor = -1;
  let folded: { text: string; actor: number; times: number } | undefined;
  const flush = (): void => {
    if (folded !== undefined && folded.times > 1)
      lines.push(colors.dim(columns.line('', folded.actor, `... x${folded.times}`)));
    folded = undefined;
  };
  places.forEach((place, at) => {
    const step = steps[place]!;
    const spin = spins.get(place);
    const text = spin === undefined ? stepWords(step) : spinWords(spin, explanation);
    if (
      step.actor === actor &&
      folded?.text === text &&
      step.events === undefined &&
      step.move === undefined
    ) {
      folded.times++;
      return;
    }
    flush();
    if (step.actor !== actor)
      lines.push(colors.cyan(columns.across(switchText(explanation, place, places[at - 1] ?? -1))));
    actor = step.actor;
    folded = { text, actor, times: 1 };
    const mark = pair === undefined || (step.step !== pair.first && step.step !== pair.second) ? '' : '<> ';
    const paint = mark === '' ? String : colors.bold;
    if (step.move !== undefined)
      lines.push(colors.dim(columns.across(`* ${clean(actors[actor] ?? '?')}: ${clean(step.move)}`)));
    for (const line of columns.cell(String(step.step), actor, `${mark}${text}`)) lines.push(paint(line));
    for (const event of step.events ?? []) lines.push(colors.yellow(columns.across(`* ${clean(event)}`)));
  });
  flush();
  lines.push(
    colors.red(
      columns.across(
        `=== ${violation.id} is broken${violation.actor < 0 ? ' at the end' : ` here, by ${clean(actors[violation.actor] ?? '?')}`}`,
      ),
    ),
  );
  return lines;
}

/** Why the actor of the step at `place` goes on: the reason recorded where its stretch began. */
function switchText({ steps, actors }: Explanation, place: number, before: number): string {
  const { actor } = steps[place]!;
  const name = clean(actors[actor] ?? `actor ${actor}`);
  for (let at = place; at > before; at--) {
    const { because, note, actor: who } = steps[at]!;
    if (who !== actor) break;
    if (because === undefined) continue;
    return because === 'start' ? `--> ${name} begins` : `--> ${name} goes on: ${clean(note ?? because)}`;
  }
  return `--> ${name} goes on`;
}

/** As many of the steps that matter, the most important first, as give at most `room` lines. */
function fittingSchedule(
  explanation: Explanation,
  room: number,
  style: Style,
): { readonly lines: readonly string[]; readonly shown: number } {
  const ranked = [...explanation.matters]
    .filter(([, weight]) => weight > 0)
    .sort((a, b) => b[1] - a[1] || b[0] - a[0])
    .slice(0, MAX_RANKED);
  let places: number[] = [];
  let lines = scheduleLines(explanation, places, style);
  for (const [place] of ranked) {
    const more = [...places, place].sort((a, b) => a - b);
    const longer = scheduleLines(explanation, more, style);
    if (longer.length > room) continue;
    places = more;
    lines = longer;
  }
  return { lines, shown: places.length };
}

function headLines(explanation: Explanation, width: number, colors: Colors): string[] {
  const { scenario, variant, parameters, idle, kept, violation } = explanation;
  const where = [`${scenario}, variant ${variant}`, ...parameters];
  const without = idle.length === 0 ? '' : `; without ${idle.join(', ')}`;
  const only = kept.length === 0 ? '' : `; only moves ${kept.join(', ')}`;
  const block = (text: string, most: number, paint: (line: string) => string): string[] => {
    const lines = wrap(text, width);
    const kept =
      lines.length > most ? [...lines.slice(0, most - 1), truncate(`${lines[most - 1]} ...`, width)] : lines;
    return kept.map(paint);
  };
  const sentence = violation.sentence === '' ? '' : ` ${violation.sentence}`;
  return [
    ...block(
      `${violation.id} is broken in ${where.join(', ')}${without}${only}`,
      kept.length === 0 ? 2 : 3,
      colors.bold,
    ),
    ...(sentence === '' ? [] : block(`The rule:${sentence}`, 4, String)),
    ...block(`Found: ${violation.text}`, 4, colors.red),
  ];
}

/** The weightiest operation of the critical section that the step begins. */
function tellingStep({ steps, matters }: Explanation, number: number): RecordedStep | undefined {
  const { actor, lock } = steps[number - 1]!;
  let best: RecordedStep | undefined;
  let weight = TELLING - 1;
  for (let at = number; at < steps.length; at++) {
    const step = steps[at]!;
    if (step.actor !== actor) continue;
    if (step.lock?.name === lock!.name) break;
    const own = matters.get(at) ?? 0;
    if (own > weight && step.lock === undefined) [best, weight] = [step, own];
  }
  return best;
}

function pairLines(explanation: Explanation, width: number): string[] {
  const { pair, steps, actors, swapped } = explanation;
  if (pair === undefined) {
    const text =
      swapped.candidates === 0
        ? 'No two operations of different actors race here: it fails whatever the order.'
        : swapped.tried < swapped.candidates
          ? `No critical pair: ${swapped.tried} of ${swapped.candidates} pairs of racing operations and critical sections were swapped and run, and it still fails.`
          : `No critical pair: all ${swapped.tried} pairs of racing operations and critical sections were swapped and run, and it still fails.`;
    return wrap(text, width);
  }
  const words = (number: number): string => {
    const step = steps[number - 1]!;
    const inside = step.lock === undefined ? undefined : tellingStep(explanation, number);
    const about = inside === undefined ? '' : ` for ${inside.step}: ${stepWords(inside)}`;
    return `${actors[step.actor] ?? '?'}, step ${number}: ${stepWords(step)}${about}`;
  };
  const outcome = pair.instead === undefined ? 'and it passes' : `and it breaks ${pair.instead} instead`;
  return [
    ...wrap(`Swap these two ${outcome} (run and seen):`, width),
    truncate(`  ${words(pair.first)}`, width),
    truncate(`  ${words(pair.second)}`, width),
  ];
}

function brokenLines({ broken, held, actors }: Explanation, width: number, most: number): string[] {
  const lines: string[] = held.map(clean);
  for (const { name, value, writer, notes } of broken) {
    lines.push(`${clean(name)} = ${clean(value).replace(/^-> /, '')}`);
    if (writer !== undefined) {
      const who = actors[writer.actor] ?? '?';
      lines.push(`  by ${who} at step ${writer.step}: ${show(writer.was)} -> ${show(writer.value)}`);
    }
    for (const note of notes) lines.push(`  ${clean(note)}`);
  }
  const kept =
    lines.length > most ? [...lines.slice(0, most - 1), `  ... ${lines.length - most + 1} more`] : lines;
  return kept.map((line) => truncate(`  ${line}`, width));
}

const MAX_BROKEN_LINES = 8;
const LEAST_BROKEN_LINES = 3;
/** More operations than this never fit. */
const MAX_RANKED = 100;
/** An operation of this weight says what a critical section is about. */
const TELLING = 60;

/** The lines of the explanation, at most 40. */
export function renderExplanation(explanation: Explanation, options: ExplanationOptions): string[] {
  const width = Math.max(NARROWEST, options.width);
  const colors = pc.createColors(options.color);
  const head = headLines(explanation, width, colors);
  const label = Math.max(...explanation.commands.map(([what]) => what.length)) + 2;
  const commands = explanation.commands.map(
    ([what, command]) => `${' '.repeat(INDENT)}${colors.dim(what.padEnd(label))}${clean(command)}`,
  );
  const shrunk = explanation.shrunk === '' ? [] : ['', ...wrap(explanation.shrunk, width)];
  const pair = ['', ...pairLines(explanation, width)];
  const end = [...shrunk, '', colors.bold('Again'), ...commands];
  // A blank line and a title each, of the schedule and of the state.
  const left = MAX_LINES - head.length - pair.length - end.length - 4;
  const most = Math.max(LEAST_BROKEN_LINES, Math.min(MAX_BROKEN_LINES, left - LEAST_SCHEDULE));
  const broken = brokenLines(explanation, width, most);
  const state = broken.length === 0 ? [] : ['', colors.bold('The state that broke'), ...broken];
  const tail = [...pair, ...state, ...end];
  const room = left + 2 - state.length;
  const spins = new Map(
    findSpins(explanation.steps).flatMap((spin) => spin.places.map((place) => [place, spin] as const)),
  );
  const schedule = fittingSchedule(explanation, room, { width, colors, spins });
  const title = `Schedule, ${plural(explanation.preemptions, 'preemption')}: ${formatCount(schedule.shown)} of ${plural(explanation.steps.length, 'operation')} matter`;
  return [...head, '', colors.bold(truncate(title, width)), ...schedule.lines, ...tail].slice(0, MAX_LINES);
}
