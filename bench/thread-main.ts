/** The thread's side of bench/thread.ts: sets its task up once, then answers with a sample for each request. */
import { parentPort, workerData } from 'node:worker_threads';
import { lockBatch } from './tasks/locks.ts';
import { controlledBatch, resetBatch } from './tasks/schedules.ts';
import { searchBatch, toyBatch } from './tasks/search.ts';
import { splitBatch } from './tasks/splits.ts';
import type { Sample } from './subject.ts';
import type { ThreadTask } from './thread.ts';

/** Runs a number of batches. */
export type Batch = (batches: number) => Sample;

async function prepare(task: ThreadTask): Promise<Batch> {
  if (task.kind === 'search') return searchBatch(task);
  if (task.kind === 'toy') return toyBatch(task);
  if (task.kind === 'split') return splitBatch(task);
  if (task.kind === 'controlled') return controlledBatch(task);
  if (task.kind === 'reset') return resetBatch(task);
  return lockBatch(task);
}

const port = parentPort!;
const ready = prepare(workerData as ThreadTask);
port.on('message', (batches: number) => {
  void ready.then((run) => port.postMessage(run(batches)));
});
