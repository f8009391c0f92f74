/**
 * Random walk with at most c preemptions (after Musuvathi and Qadeer, "Iterative Context Bounding", PLDI 2007).
 *
 * c decisions are drawn in advance. There the running actor gives way to another one; everywhere else it goes on until it
 * blocks or ends. A poor searcher for bugs that need many orders, but what it finds is nearly minimal already.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { drawDistinct } from '../draw.ts';
import { lengthOnly } from '../excerpt.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

class PreemptionBounded implements Scheduler {
  private readonly context: StrategyContext;
  private readonly rng = new Rng(1);
  private points = new Set<number>();
  private decision = 0;

  constructor(context: StrategyContext) {
    this.context = context;
  }

  begin(_actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.context.master, schedule, Stream.schedule, 6));
    const expected = Math.max(2, this.context.profile.decisions);
    this.points = drawDistinct(this.rng, this.context.option, 0, expected);
    this.decision = 0;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const at = enabled.subarray(0, count).indexOf(current);
    const preempt = this.points.has(this.decision++);
    if (at < 0) return enabled[this.rng.below(count)]!;
    if (!preempt) return current;
    const other = this.rng.below(count - 1);
    return enabled[other < at ? other : other + 1]!;
  }
}

export default defineStrategy({
  name: 'pb',
  summary: 'at most c preemptions at random decisions',
  paper: 'Musuvathi, Qadeer, PLDI 2007',
  needsProfile: true,
  unfair: true,
  option: { describe: 'preemptions c', min: 0, max: 64, default: 2, integer: true },
  excerpt: ({ profile }) => lengthOnly(profile),
  make: (context) => new PreemptionBounded(context),
});
