/**
 * Delay-bounded random scheduling (Emmi, Qadeer, Rakamaric, "Delay-Bounded Scheduling", POPL 2011).
 *
 * The base is deterministic: the running actor goes on until it blocks, then the next one in the order of their numbers. A
 * delay skips the actor that the base would run. Up to D delays fall on decisions drawn in advance. Branching does not grow
 * with the number of actors. How this differs: the order starts at a random actor, so that schedule 0 is not always the
 * same.
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { drawDistinct } from '../draw.ts';
import { lengthOnly } from '../excerpt.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

class DelayBounded implements Scheduler {
  private readonly context: StrategyContext;
  private readonly rng = new Rng(1);
  private points = new Set<number>();
  private decision = 0;
  private first = 0;

  constructor(context: StrategyContext) {
    this.context = context;
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.context.master, schedule, Stream.schedule, 7));
    const expected = Math.max(2, this.context.profile.decisions);
    this.points = drawDistinct(this.rng, this.context.option, 0, expected);
    this.decision = 0;
    this.first = this.rng.below(actors.length);
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    const from = current < 0 ? this.first : current;
    // The base's choice: the first enabled actor from `from` on, around.
    let at = 0;
    while (at < count && enabled[at]! < from) at++;
    if (at === count) at = 0;
    if (this.points.has(this.decision++)) at = (at + 1) % count;
    return enabled[at]!;
  }
}

export default defineStrategy({
  name: 'delay',
  summary: 'a fixed round robin with at most D delays at random decisions',
  paper: 'Emmi, Qadeer, Rakamaric, POPL 2011',
  needsProfile: true,
  unfair: true,
  option: { describe: 'delays D', min: 0, max: 64, default: 2, integer: true },
  excerpt: ({ profile }) => lengthOnly(profile),
  make: (context) => new DelayBounded(context),
});
