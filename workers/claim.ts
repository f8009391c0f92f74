/** Piscina entry point of `splitstorm claims`: one experiment. */
import { conductTask, type ClaimTask } from '../src/campaign/claims/task.ts';
import type { ClaimRecord } from '../src/report/claim-record.ts';

export default (task: ClaimTask): Promise<ClaimRecord> => conductTask(task);
