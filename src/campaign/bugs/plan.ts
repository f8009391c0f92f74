/** Which hunts a score needs, in the order in which they are run: round by round, so that a short budget reaches every bug. */
import { masterSeed, mix } from '../../cpu/random.ts';
import type { Quarry } from './corpus.ts';
import type { HuntTask } from './hunt.ts';

export interface PlanOptions {
  readonly quarries: readonly Quarry[];
  readonly trials: number;
  readonly strategy: string;
  readonly seed: string;
  /** Most schedules of one hunt. */
  readonly schedules: number;
  /** Replays to spend on shrinking the first failure of each bug. */
  readonly replays: number;
}

/** A task, and whose it is. */
export interface Planned {
  readonly quarry: Quarry;
  readonly task: Omit<HuntTask, 'limitMs'>;
}

/** Seed of one trial: eight hexadecimal digits, which make the shortest tokens. */
export const trialSeed = (seed: string, trial: number): string =>
  (mix(masterSeed(seed), trial) >>> 0).toString(16).padStart(8, '0');

const taskOf = (
  { strategy, seed, schedules }: PlanOptions,
  quarry: Quarry,
  variants: readonly string[],
  trial: number,
  replays: number,
): Omit<HuntTask, 'limitMs'> => ({
  variants,
  scenario: quarry.scenario,
  parameters: quarry.parameters,
  strategy,
  seed: trialSeed(seed, trial),
  schedules,
  without: quarry.without,
  replays,
});

export function planHunts(options: PlanOptions): Planned[] {
  return Array.from({ length: options.trials }, (_, trial) => trial).flatMap((trial) =>
    options.quarries.map((quarry) => ({
      quarry,
      task: taskOf(options, quarry, [quarry.name], trial, trial === 0 ? options.replays : 0),
    })),
  );
}

/**
 * The clean engine where the bugs were hunted: each machine once, with as many schedules as the longest successful hunt for
 * a bug in it took, and `least` at least.
 * @param spent schedules of that hunt
 */
export function planClean(
  options: PlanOptions,
  spent: ReadonlyMap<Quarry, number>,
  least: number,
): Planned[] {
  const machines = new Map<string, { quarry: Quarry; schedules: number }>();
  for (const quarry of options.quarries) {
    const key = JSON.stringify([quarry.scenario, quarry.parameters]);
    const schedules = Math.max(least, spent.get(quarry) ?? 0, machines.get(key)?.schedules ?? 0);
    machines.set(key, { quarry, schedules });
  }
  return [...machines.values()].map(({ quarry, schedules }) => {
    const clean: Quarry = {
      ...quarry,
      name: 'clean engine (p1)',
      id: '-',
      summary: 'no bug',
      expected: '',
      accepted: [],
      without: [],
    };
    return { quarry: clean, task: { ...taskOf(options, clean, ['p1'], 0, 0), schedules } };
  });
}
