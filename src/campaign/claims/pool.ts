/** Experiments on a pool of threads, one each. What they answer does not depend on the number of threads. */
import { Piscina } from 'piscina';
import type { ClaimRecord } from '../../report/claim-record.ts';
import { threadEntry } from '../../scenario/trial.ts';
import { conduct, type ConductOptions } from './conduct.ts';
import { findExperiment, loadExperiment } from './load.ts';

export interface ClaimTask extends ConductOptions {
  /** The id of a shipped experiment, or a path. */
  readonly experiment: string;
  readonly file: boolean;
}

/** On a thread of the pool. */
export async function conductTask(task: ClaimTask): Promise<ClaimRecord> {
  return conduct(task.file ? await loadExperiment(task.experiment) : findExperiment(task.experiment), task);
}

export interface ClaimsOptions {
  readonly workers: number;
  /** Milliseconds for all of them. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
  readonly onRecord?: (index: number, record: ClaimRecord) => void;
}

/** Runs the tasks; those that the time or the signal left out are undefined. */
export async function conductAll(
  tasks: readonly Omit<ClaimTask, 'limitMs'>[],
  options: ClaimsOptions,
): Promise<readonly (ClaimRecord | undefined)[]> {
  const { signal, budgetMs, onRecord } = options;
  const workers = Math.min(options.workers, tasks.length);
  const records: (ClaimRecord | undefined)[] = tasks.map(() => undefined);
  if (workers === 0) return records;
  const pool = new Piscina({
    ...threadEntry('claim', 'much'),
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
    idleTimeout: Infinity,
  });
  const began = performance.now();
  let next = 0;
  const feed = async (): Promise<void> => {
    while (next < tasks.length && !signal.aborted) {
      const limitMs = budgetMs - (performance.now() - began);
      if (limitMs <= 0) return;
      const index = next++;
      const record = (await pool.run({ ...tasks[index]!, limitMs }, { signal })) as ClaimRecord;
      records[index] = record;
      onRecord?.(index, record);
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, feed));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await pool.destroy();
  }
  return records;
}
