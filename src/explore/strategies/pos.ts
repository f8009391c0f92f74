/**
 * POS, partial-order sampling (Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling", CAV 2018).
 *
 * Every pending operation has a random priority, and the highest runs. The priority of an operation that depends on the one
 * just made is drawn anew: so the order of each pair of dependent operations is a fair coin, however long the actors are.
 *
 * How this differs: an operation that nobody conflicts with keeps its priority, and one with a very low priority would wait
 * for as long as others loop; so all priorities are drawn anew every RENEW steps, far more than a usual run has between two
 * conflicts.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { dependent, isWrite, Op } from '../../cpu/steps.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { defineStrategy } from '../strategy.ts';

const RENEW = 2000;

class Pos implements Scheduler {
  private readonly master: number;
  private readonly rng = new Rng(1);
  private actors: readonly Cpu[] = [];
  /** Of each actor's pending operation; 0 if it has to be drawn. */
  private priority = new Float64Array(0);
  private steps = 0;

  constructor(master: number) {
    this.master = master;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.master, schedule, Stream.schedule, 3));
    this.steps = 0;
    if (this.actors === actors) this.priority.fill(0);
    else {
      this.actors = actors;
      this.priority = new Float64Array(actors.length);
    }
  }

  pick(enabled: Int32Array, count: number): number {
    const { priority } = this;
    let best = -1;
    let highest = 0;
    for (let i = 0; i < count; i++) {
      const actor = enabled[i]!;
      let own = priority[actor]!;
      if (own === 0) {
        own = this.rng.next();
        priority[actor] = own;
      }
      if (own > highest) {
        highest = own;
        best = actor;
      }
    }
    return best;
  }

  step(actor: number): void {
    const { actors, priority } = this;
    if (++this.steps % RENEW === 0) {
      priority.fill(0);
      return;
    }
    priority[actor] = 0;
    const { pendingOp, pendingWord } = actors[actor]!;
    if (pendingOp === Op.Pause) return;
    const writes = isWrite(pendingOp);
    for (let other = 0; other < actors.length; other++) {
      const cpu = actors[other]!;
      // The two words of an 8-byte entry are one location, as in `dependent`; most pairs are told apart by this alone.
      if (pendingWord >> 1 !== cpu.pendingWord >> 1 || priority[other] === 0) continue;
      if (!writes && !isWrite(cpu.pendingOp)) continue;
      if (dependent(pendingOp, pendingWord, cpu.pendingOp, cpu.pendingWord)) priority[other] = 0;
    }
  }
}

export default defineStrategy({
  name: 'pos',
  summary: 'random priorities of operations, drawn anew after each conflict',
  paper: 'Yuan, Yang, Gu, CAV 2018',
  needsProfile: false,
  make: ({ master }) => new Pos(master),
});
