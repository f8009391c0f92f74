/** An experiment as a task for a thread. What it answers does not depend on the number of threads. */
import type { ClaimRecord } from '../../report/claim-record.ts';
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
