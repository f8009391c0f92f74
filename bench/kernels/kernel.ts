/** What a kernel of the scoreboard is. */
import type { ThreadedProgram } from './threads.ts';

export interface Kernel {
  readonly name: string;
  /** Its name in the published tables (bench/scoreboard/published.json), if it is in any. */
  readonly published?: string;
  /** The bug in one sentence. */
  readonly bug: string;
  /** Actors, the main thread included. */
  readonly threads: number;
  /** Visible operations of the run that never preempts, creating and joining threads included. */
  readonly steps: number;
  /** With the bug: some schedule fails. */
  readonly program: ThreadedProgram;
  /** The same without the bug: no schedule fails. */
  readonly fixed: ThreadedProgram;
}
