/** Who decides which actor goes next: the interface that strategies implement. */
import type { Cpu } from '../cpu/cpu.ts';

export interface Scheduler {
  /** Begins a schedule. */
  begin(actors: readonly Cpu[], schedule: number): void;
  /**
   * Picks one of `enabled[0..count-1]`, actor indices in increasing order, `count` at least 2. The pending operation of
   * each actor is in its Cpu. `current` is the actor that moved last, -1 at the start.
   */
  pick(enabled: Int32Array, count: number, current: number): number;
  /** Told about every step, forced ones included, just before it is made. */
  step?(actor: number): void;
  /** The schedule has ended after `decisions` picks and `steps` steps; `failed` if something was found. */
  end?(decisions: number, steps: number, failed: boolean): void;
}
