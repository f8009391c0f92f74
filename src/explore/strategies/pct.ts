/**
 * PCT, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).
 *
 * Each actor has a random priority, and the highest that can go on runs. At d - 1 decisions drawn in advance the running
 * actor falls below all others. A bug of depth d among n actors and k decisions is found with probability at least
 * 1 / (n k^(d-1)) per schedule.
 *
 * How this differs: k is the largest number of decisions of the profile runs, so that a schedule does not depend on those
 * before it. There are never more change points than (k - 1) / 2, or tiny programs would end in a round robin (explorer
 * notes 3.5). And a schedule ends as a random walk if it takes far longer than those (src/explore/fair-tail.ts).
 */
import { mix, Rng, Stream } from '../../cpu/random.ts';
import type { Cpu } from '../../cpu/cpu.ts';
import type { Scheduler } from '../../runtime/scheduler.ts';
import { drawDistinct, permutation } from '../draw.ts';
import { lengthOnly } from '../excerpt.ts';
import { defineStrategy, type StrategyContext } from '../strategy.ts';

export class Pct implements Scheduler {
  private readonly context: StrategyContext;
  protected readonly rng = new Rng(1);
  /** Larger runs first. The initial ones are at least 0; a demoted actor gets the next negative number. */
  protected priority: Int32Array = new Int32Array(0);
  /** Decisions at which the running actor falls, in rising order, and how many of them lie behind. */
  private points: readonly number[] = [];
  private passed = 0;
  private low = 0;
  /** Decisions made in this schedule. */
  protected decision = 0;

  constructor(context: StrategyContext) {
    this.context = context;
  }

  protected get expected(): number {
    return Math.max(2, this.context.profile.decisions);
  }

  begin(actors: readonly Cpu[], schedule: number): void {
    this.rng.seed(mix(this.context.master, schedule, Stream.schedule, 2));
    this.priority = permutation(this.rng, actors.length);
    const changes = Math.min(this.context.option - 1, (this.expected - 1) >> 1);
    this.points = [...drawDistinct(this.rng, changes, 1, this.expected)].sort((a, b) => a - b);
    this.passed = 0;
    this.low = 0;
    this.decision = 0;
  }

  protected demote(actor: number): void {
    this.priority[actor] = --this.low;
  }

  pick(enabled: Int32Array, count: number, current: number): number {
    if (this.points[this.passed] === this.decision) {
      this.passed++;
      if (current >= 0) this.demote(current);
    }
    this.decision++;
    const { priority } = this;
    let best = enabled[0]!;
    let highest = priority[best]!;
    for (let i = 1; i < count; i++) {
      const actor = enabled[i]!;
      if (priority[actor]! <= highest) continue;
      highest = priority[actor]!;
      best = actor;
    }
    return best;
  }
}

export default defineStrategy({
  name: 'pct',
  summary: 'random priorities with d - 1 random demotions',
  paper: 'Burckhardt et al., ASPLOS 2010',
  needsProfile: true,
  unfair: true,
  option: { describe: 'depth d', min: 1, max: 100, default: 3, integer: true },
  excerpt: ({ profile }) => lengthOnly(profile),
  make: (context) => new Pct(context),
});
