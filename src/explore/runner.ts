/** What explores needs of a runtime: one schedule at a time, from the same start. ControlledRuntime is one. */
import type { Cpu } from '../cpu/cpu.ts';
import type { OpListener, RunLog } from '../cpu/plain-cpu.ts';
import type { Violation } from '../runtime/outcome.ts';
import type { Scheduler } from '../runtime/scheduler.ts';

export interface RunResult {
  readonly steps: number;
  readonly decisions: number;
  readonly preemptions: number;
  readonly hash: string;
  readonly violations: readonly Violation[];
  /** The run was cut off at its step limit. */
  readonly truncated: boolean;
  /** Times that everybody got a turn for a while, whatever the scheduler said. */
  readonly fairSuffixes: number;
}

/** By number of an actor the numbers of the only moves it makes, in increasing order; an actor that is not in it makes all. */
export type Kept = ReadonlyMap<number, readonly number[]>;

export interface Runner {
  readonly cpus: readonly Cpu[];
  /** The memory that visible operations act on, as words. */
  readonly memory: Int32Array;
  /** Takes the coverage that each run is to be recorded in. */
  readonly log: RunLog;
  /** Words from this one on are parts of 8-byte entries. */
  readonly entriesFrom: number;
  /** A hash of the memory as the last run left it. */
  stateHash(): number;
  /** Steps after which a run is cut off; may be changed between runs. */
  maxSteps: number;
  /** Actors that stay away, by number; may be changed between runs. */
  idle: ReadonlySet<number>;
  /** Actors of which only some moves are made; may be changed between runs. */
  kept: Kept;
  /** The others, and what is checked in the end, can do without the actor. */
  mayIdle(actor: number): boolean;
  /** Runs schedule `schedule`: its number seeds the choices and the workload. */
  run(scheduler: Scheduler, master: number, schedule: number, listener?: OpListener): RunResult;
}
