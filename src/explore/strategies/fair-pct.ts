/**
 * Fair PCT: PCT for programs that spin or wait (Nagarakatte, Burckhardt, Martin, Musuvathi, "Multicore Acceleration of
 * Priority-Based Schedulers", PLDI 2012, and the fair suffix of Coyote, TACAS 2023).
 *
 * As PCT, but an actor that has just waited falls below all others. After four times the expected decisions the schedule goes on
 * as a random walk, as those of PCT do here (src/explore/fair-tail.ts): then every loop that waits for somebody else ends.
 */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op } from '../../cpu/steps.ts';
import { lengthOnly } from '../excerpt.ts';
import { defineStrategy } from '../strategy.ts';
import { Pct } from './pct.ts';

class FairPct extends Pct {
  private actors: readonly Cpu[] = [];
  /** The operation each actor made last. */
  private lastOp = new Int8Array(0);

  override begin(actors: readonly Cpu[], schedule: number): void {
    super.begin(actors, schedule);
    this.actors = actors;
    if (this.lastOp.length === actors.length) this.lastOp.fill(0);
    else this.lastOp = new Int8Array(actors.length);
  }

  step(actor: number): void {
    this.lastOp[actor] = this.actors[actor]!.pendingOp;
  }

  override pick(enabled: Int32Array, count: number, current: number): number {
    if (current >= 0 && this.decision > 0) {
      const last = this.lastOp[current];
      if (last === Op.Wait) this.demote(current);
    }
    return super.pick(enabled, count, current);
  }
}

export default defineStrategy({
  name: 'fair-pct',
  summary: 'PCT that demotes actors that waited and ends as a random walk',
  paper: 'Nagarakatte et al., PLDI 2012',
  needsProfile: true,
  unfair: true,
  option: { describe: 'depth d', min: 1, max: 100, default: 3, integer: true },
  excerpt: ({ profile }) => lengthOnly(profile),
  make: (context) => new FairPct(context),
});
