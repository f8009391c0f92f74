/** Runs the trials, spread over a pool; what comes out does not depend on how many workers there are. */
import { Piscina } from 'piscina';
import type { Cell, Results } from './results.ts';
import type { Trial } from './trial.ts';
import type { TrialTask } from './worker.ts';

export interface MeasureOptions {
  readonly subjects: readonly string[];
  readonly strategies: readonly string[];
  readonly trials: number;
  readonly budget: number;
  readonly seed: string;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onTrial?: (done: number, total: number, task: TrialTask, trial: Trial) => void;
}

/** Cells whose trials were all run; fewer than asked for only if the signal ended it. */
export async function measure(options: MeasureOptions): Promise<Results> {
  const { subjects, strategies, trials, budget, seed, signal } = options;
  const tasks: TrialTask[] = subjects.flatMap((subject) =>
    strategies.flatMap((strategy) =>
      Array.from({ length: trials }, (_, trial) => ({ subject, strategy, trial, seed, budget })),
    ),
  );
  const pool = new Piscina({
    filename: new URL('./worker-boot.js', import.meta.url).href,
    minThreads: options.workers,
    maxThreads: options.workers,
  });
  const done: (Trial | undefined)[] = tasks.map(() => undefined);
  let finished = 0;
  let next = 0;
  // No more tasks are handed out than there are workers, so that an interrupt has little to wait for.
  const feed = async (): Promise<void> => {
    while (next < tasks.length && !signal.aborted) {
      const index = next++;
      const task = tasks[index]!;
      const trial = (await pool.run(task, { signal })) as Trial;
      done[index] = trial;
      options.onTrial?.(++finished, tasks.length, task, trial);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.workers }, feed));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await pool.destroy();
  }
  const cells = subjects.flatMap((subject, s) =>
    strategies.flatMap((strategy, t) => {
      const from = (s * strategies.length + t) * trials;
      const own = done.slice(from, from + trials);
      return own.every((trial) => trial !== undefined) ? [cellFrom(subject, strategy, own)] : [];
    }),
  );
  return { format: 'splitstorm-scoreboard 1', seed, trials, budget, cells };
}

function cellFrom(subject: string, strategy: string, trials: readonly Trial[]): Cell {
  const by: Record<string, number> = {};
  for (const { found } of trials) if (found !== undefined) by[found] = (by[found] ?? 0) + 1;
  return {
    subject,
    strategy,
    schedules: trials.map(({ schedules, found }) => (found === undefined ? null : schedules)),
    steps: trials.reduce((sum, { steps }) => sum + steps, 0),
    by: Object.fromEntries(Object.entries(by).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
