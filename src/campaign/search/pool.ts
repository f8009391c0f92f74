/**
 * The threads of a search. Each has a runtime of its own and takes one shard after the other. A shard whose thread died is given to
 * another one; if that dies too the shard is reported.
 */
import { Piscina } from 'piscina';
import { threadEntry } from '../../scenario/trial.ts';
import type { ShardReply, ShardTask } from './shard.ts';
import type { SearchSignals } from './shared.ts';

/** What a thread needs to set itself up; all of it is plain data. */
export interface WorkerSetup {
  /** Name or path of the scenario whose own actors are needed. */
  readonly scenario: string | undefined;
  readonly machine: unknown;
  readonly layout: unknown;
  readonly variants: readonly string[];
  readonly without: readonly string[];
  readonly seed: string;
  /** As on the command line: a name with its number, or a file's path. */
  readonly strategy: string;
  readonly coverage: boolean;
  readonly livelockSteps: number | undefined;
}

export interface WorkerData {
  readonly setup: WorkerSetup;
  readonly signals: SharedArrayBuffer;
}

/** Threads get this long to end their schedule when the search is stopped. */
const LEAVE_MS = 2_000;
const ATTEMPTS = 2;
/** Shards that a thread has at a time: the next one is there when it is through with one. */
const SHARDS_EACH = 2;

export class SearchPool {
  readonly workers: number;
  /** Shards that are given out at a time. */
  readonly shards: number;
  private readonly pool: Piscina;
  private readonly kill = new AbortController();

  constructor(workers: number, setup: WorkerSetup, signals: SearchSignals) {
    this.workers = workers;
    this.shards = SHARDS_EACH * workers;
    const workerData: WorkerData = { setup, signals: signals.buffer };
    this.pool = new Piscina({
      ...threadEntry('search', 'much'),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: SHARDS_EACH,
      idleTimeout: Infinity,
      workerData,
    });
    // Errors of idle threads come with the next task.
    this.pool.on('error', () => {});
  }

  /** Runs a shard; tries again if its thread dies. Never rejects: what went wrong is in the reply. */
  async run(task: ShardTask): Promise<ShardReply> {
    let text = '';
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        return (await this.pool.run(task, { signal: this.kill.signal })) as ShardReply;
      } catch (error) {
        if (this.kill.signal.aborted) return unfinished(task);
        text = error instanceof Error ? error.message : String(error);
      }
    }
    const which = `shard ${task.number} (schedules ${task.from} to ${task.to - 1})`;
    return {
      ...unfinished(task),
      error: `${which}: its thread died ${ATTEMPTS} times: ${text}`,
    };
  }

  /** Ends the threads, by force if they do not leave. */
  async close(pending: readonly Promise<unknown>[]): Promise<void> {
    const late = new Promise<void>((resolve) => {
      setTimeout(resolve, LEAVE_MS).unref();
    });
    await Promise.race([Promise.allSettled(pending), late]);
    this.kill.abort();
    await this.pool.destroy();
  }
}

function unfinished(task: ShardTask): ShardReply {
  return {
    number: task.number,
    from: task.from,
    keys: new Int32Array(0),
    hashes: new Int32Array(0),
    pairs: [],
    failures: [],
    diverged: [],
    differences: [],
    totals: { schedules: 0, steps: 0, decisions: 0, truncated: 0, pairs: 0, counters: [] },
    complete: false,
  };
}
