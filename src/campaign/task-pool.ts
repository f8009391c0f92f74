/** Many tasks on a pool of threads, each within what is left of a time for all. What comes out does not depend on the number of threads, unless the time runs out. */
import { Piscina } from 'piscina';
import { threadEntry } from '../scenario/trial.ts';

export interface TaskPoolOptions<Result> {
  readonly workers: number;
  /** Milliseconds for all of them. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly onResult?: ((index: number, result: Result) => void) | undefined;
}

/**
 * Runs the tasks in their order on threads of workers/NAME; those that the time or the signal left out are undefined.
 * @throws what a task threw, unless the signal was aborted
 */
export async function runTasks<Task extends { readonly limitMs?: number | undefined }, Result>(
  name: string,
  tasks: readonly Omit<Task, 'limitMs'>[],
  options: TaskPoolOptions<Result>,
): Promise<readonly (Result | undefined)[]> {
  const { signal, budgetMs, onResult } = options;
  const workers = Math.min(options.workers, tasks.length);
  const results: (Result | undefined)[] = tasks.map(() => undefined);
  if (workers === 0) return results;
  const pool = new Piscina({
    ...threadEntry(name, 'much'),
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
      const result = (await pool.run({ ...tasks[index]!, limitMs }, { signal })) as Result;
      results[index] = result;
      onResult?.(index, result);
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
