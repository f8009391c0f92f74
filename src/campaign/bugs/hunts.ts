/** Many hunts on a pool of threads. What comes out does not depend on their number, unless the time runs out. */
import { Piscina } from 'piscina';
import { threadEntry } from '../../scenario/trial.ts';
import type { Hunt, HuntTask } from './hunt.ts';

export interface HuntsOptions {
  readonly workers: number;
  /** Milliseconds for all of them. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly onHunt?: (index: number, hunt: Hunt) => void;
}

/** Runs the tasks in their order; those that the time or the signal left out are undefined. */
export async function runHunts(
  tasks: readonly Omit<HuntTask, 'limitMs'>[],
  options: HuntsOptions,
): Promise<readonly (Hunt | undefined)[]> {
  const { signal, budgetMs, onHunt } = options;
  const workers = Math.min(options.workers, tasks.length);
  const results: (Hunt | undefined)[] = tasks.map(() => undefined);
  if (workers === 0) return results;
  const pool = new Piscina({
    ...threadEntry('hunt', 'much'),
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
  });
  const began = performance.now();
  let next = 0;
  // One task per thread at a time, so that an interrupt and the end of the budget have little to wait for.
  const feed = async (): Promise<void> => {
    while (next < tasks.length && !signal.aborted) {
      const limitMs = budgetMs - (performance.now() - began);
      if (limitMs <= 0) return;
      const index = next++;
      const hunt = (await pool.run({ ...tasks[index]!, limitMs }, { signal })) as Hunt;
      results[index] = hunt;
      onHunt?.(index, hunt);
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, feed));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await pool.destroy();
  }
  return results;
}
