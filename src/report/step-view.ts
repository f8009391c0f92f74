/** One step of a run for a person who walks through it: a pure function from what there is to see to lines. */
import pc from 'picocolors';
import { OP_NAMES } from '../cpu/steps.ts';
import { stepWords } from './explanation.ts';
import { clean, plural, truncate, wrap } from './text.ts';
import type { RecordedStep } from './trace.ts';

export interface StepView {
  /** The step, 0 is the start. */
  readonly at: number;
  readonly last: number;
  readonly actors: readonly string[];
  /** Absent at the start. */
  readonly step: RecordedStep | undefined;
  /** What each actor does next; absent for one that does nothing more. */
  readonly next: readonly (RecordedStep | undefined)[];
  /** Everything that the step changed, private memory included. */
  readonly changed: readonly { readonly name: string; readonly was: string; readonly value: string }[];
  readonly preemptions: { readonly before: number; readonly all: number };
  /** At the last step. */
  readonly violation: string | undefined;
  /** The actor that holds mmu_lock for write, -1 if none. */
  readonly owner: number;
}

export interface StepViewOptions {
  readonly width: number;
  readonly color: boolean;
  /** Lines there are; what was changed is cut. */
  readonly height: number;
}

/** Lines that a view has beside what changed. */
const MARGIN = 4;

export const WALK_KEYS = 'n/p step, s/S switch, x/X preemption, g N go to N, h start, e end, q quit';

/** The lines of one step. */
export function renderStep(view: StepView, options: StepViewOptions): string[] {
  const { width } = options;
  const colors = pc.createColors(options.color);
  const { step, actors, preemptions } = view;
  const name = (actor: number): string => clean(actors[actor] ?? `actor ${actor}`);
  const lines = [
    colors.bold(`step ${view.at} of ${view.last}, preemption ${preemptions.before} of ${preemptions.all}`),
  ];
  if (step === undefined) lines.push('the start: nobody has done anything');
  else {
    if (step.because !== undefined)
      lines.push(
        colors.cyan(truncate(`--> ${name(step.actor)}: ${clean(step.note ?? step.because)}`, width)),
      );
    lines.push(...wrap(`${name(step.actor)}: ${OP_NAMES[step.op]}: ${stepWords(step)}`, width));
    for (const event of step.events ?? []) lines.push(colors.yellow(truncate(`* ${clean(event)}`, width)));
  }
  if (view.violation !== undefined)
    lines.push(...wrap(view.violation, width).map((line) => colors.red(line)));
  const after = view.next.flatMap((row, actor) =>
    row === undefined
      ? []
      : [truncate(`  then ${name(actor)}: ${OP_NAMES[row.op]} ${clean(row.what)} (step ${row.step})`, width)],
  );
  if (view.owner >= 0) after.push(`  ${name(view.owner)} holds mmu_lock for write`);
  const room = Math.max(1, options.height - lines.length - after.length - MARGIN);
  const changed = view.changed.map(({ name: what, was, value }) =>
    truncate(`  ${clean(what)}: ${clean(was)} => ${clean(value)}`, width),
  );
  const shown =
    changed.length > room
      ? [...changed.slice(0, room - 1), `  ... ${changed.length - room + 1} more`]
      : changed;
  lines.push(
    colors.dim(
      view.changed.length === 0 ? 'nothing changed' : `changed: ${plural(view.changed.length, 'word')}`,
    ),
  );
  return [...lines, ...shown, ...after];
}
