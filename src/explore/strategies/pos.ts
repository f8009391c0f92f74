/**
 * POS, partial-order sampling (Yuan, Yang, Gu, "Partial Order Aware Concurrency Sampling", CAV 2018).
 *
 * Every pending operation has a random priority, and the highest runs. The priority of an operation that depends on the one
 * just made is drawn anew: so the order of each pair of dependent operations is a fair coin, however long the actors are.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import { dependent } from '../../cpu/steps.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { defineStrategy } from '../strategy.ts';

class Pos implements Scheduler {
  private readonly master: number;
  private readonly rng = new Rng(1);
  private actors: readonly Cpu[] = [];
  /** Of each actor's pending operation; 0 if it has to be drawn. */
  private priority = new Float64Array(0);

  constructor(master: number) {
    this.master = master;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.master, schedule, Stream.schedule, 3));
    this.actors = actors;
    this.priority = new Float64Array(actors.length);
  }

  pick(enabled: Int32Array, count: number): number {
    const { priority } = this;
    let best = -1;
    for (let i = 0; i < count; i++) {
      const actor = enabled[i]!;
      if (priority[actor] === 0) priority[actor] = this.rng.next();
      if (best < 0 || priority[actor]! > priority[best]!) best = actor;
    }
    return best;
  }

  step(actor: number): void {
    const { actors, priority } = this;
    const { pendingOp, pendingWord } = actors[actor]!;
    priority[actor] = 0;
    for (let other = 0; other < actors.length; other++) {
      if (priority[other] === 0) continue;
      const cpu = actors[other]!;
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
