/** From a chosen strategy to the scheduler of one schedule: profile runs come first, as schedules of the search. */
import type { Cpu } from '../cpu/cpu.ts';
import type { Scheduler } from '../runtime/scheduler.ts';
import { Coverage } from './coverage.ts';
import { Dealer } from './deal.ts';
import { DistinctKeys } from './distinct.ts';
import type { Excerpt } from './excerpt.ts';
import { FairTail } from './fair-tail.ts';
import { PROFILE_RUNS, Profile, Profiler, type GroupOf } from './profile.ts';
import type { Runner } from './runner.ts';
import type { ChosenStrategy } from './strategies/index.ts';
import pos from './strategies/pos.ts';
import randomWalk from './strategies/random-walk.ts';

/**
 * What makes the profile runs, in turn: the random walk, whose counts are those of an ordinary run, and POS, which lets actors run
 * far apart and so meets what the walk does not.
 */
const PROFILING: readonly ChosenStrategy[] = [
  { strategy: randomWalk, option: 0 },
  { strategy: pos, option: 0 },
];
/** Fingerprints that a portfolio in a plain loop remembers: 2^16 slots. */
const LOCAL_BITS = 16;

/**
 * Schedules of one strategy on one runner. Schedule i is a function of (master, i): the profile is made from the schedules
 * 0 to PROFILE_RUNS - 1, by whoever needs it, in any process.
 *
 * A portfolio's schedules depend on what those before them brought. Asked with `of` for one after the other, it watches
 * them by itself; a search that shares them out to several runners deals on its own and asks with `armed`.
 */
export class Schedules {
  private readonly runner: Runner;
  private readonly master: number;
  private readonly chosen: ChosenStrategy;
  private readonly groupOf: GroupOf | undefined;
  private readonly profiling: readonly Scheduler[];
  private readonly made = new Map<ChosenStrategy, Scheduler>();
  private profiled: Profile | undefined;
  private own: OwnDeal | undefined;

  /** @param excerpt what the one schedule that will be asked for reads of the profile: then no profile is made */
  constructor(runner: Runner, master: number, chosen: ChosenStrategy, groupOf?: GroupOf, excerpt?: Excerpt) {
    this.runner = runner;
    this.master = master;
    this.chosen = chosen;
    this.groupOf = groupOf;
    if (excerpt !== undefined) this.profiled = Profile.of(excerpt, groupOf);
    this.profiling = PROFILING.map(({ strategy, option }) =>
      strategy.make({ master, option, profile: new Profile() }),
    );
  }

  /** The scheduler of schedule `index`; makes the profile when it is first needed. */
  of(index: number): Scheduler {
    const { arms } = this.chosen.strategy;
    if (arms === undefined) return this.schedulerOf(this.chosen, index);
    this.own ??= new OwnDeal(
      this.runner,
      new Dealer(
        arms.map(({ share }) => share),
        index,
      ),
    );
    return this.own.watch(this.armed(this.own.dealer.armOf(index), index), index);
  }

  /** What schedule `index` is called by itself, once `of` has been asked for it. */
  concrete(index: number): ChosenStrategy {
    return concrete(this.chosen, this.own?.dealer.armOf(index) ?? 0, index);
  }

  /** What schedule `index`, dealt to this arm, reads of the profile; undefined for a schedule that reads none. */
  excerpt(index: number, arm = this.own?.dealer.armOf(index) ?? 0): Excerpt | undefined {
    const { strategy, option } = concrete(this.chosen, arm, index);
    if (index < PROFILE_RUNS || !strategy.needsProfile) return undefined;
    return strategy.excerpt?.({ master: this.master, option, profile: this.profile() }, index);
  }

  /** The scheduler of schedule `index` if it is dealt to this arm. */
  armed(arm: number, index: number): Scheduler {
    return this.schedulerOf(this.chosen.strategy.arms?.[arm] ?? this.chosen, index);
  }

  private schedulerOf(chosen: ChosenStrategy, index: number): Scheduler {
    const { strategy, option } = chosen;
    if (index < PROFILE_RUNS && (strategy.needsProfile || this.chosen.strategy.arms !== undefined)) {
      return this.profilingOf(index);
    }
    let scheduler = this.made.get(chosen);
    if (scheduler === undefined) {
      const profile = strategy.needsProfile ? this.profile() : new Profile();
      scheduler = strategy.make({ master: this.master, option, profile });
      if (strategy.unfair === true) scheduler = new FairTail(scheduler, this.master, profile);
      this.made.set(chosen, scheduler);
    }
    return scheduler;
  }

  private profilingOf(index: number): Scheduler {
    return this.profiling[index % this.profiling.length]!;
  }

  private profile(): Profile {
    if (this.profiled !== undefined) return this.profiled;
    const profile = new Profile(this.groupOf);
    // What these runs do is not the search's: if they belong to it they are made again.
    const { cpus, log } = this.runner;
    const { coverage } = log;
    const counters = cpus.map((cpu) => cpu.counters.slice());
    log.coverage = undefined;
    for (const first of [0, 1]) {
      for (let i = first; i < PROFILE_RUNS; i += PROFILING.length)
        this.runner.run(new Profiler(this.profilingOf(i), profile, first === 0), this.master, i);
    }
    log.coverage = coverage;
    cpus.forEach((cpu, i) => cpu.counters.set(counters[i]!));
    this.profiled = profile.round();
    return profile;
  }
}

/** What a schedule of a portfolio is called by itself, in a token: its arm, or what makes the profile runs. */
export function concrete(chosen: ChosenStrategy, arm: number, index: number): ChosenStrategy {
  const { arms } = chosen.strategy;
  if (arms === undefined) return chosen;
  if (index < PROFILE_RUNS) return PROFILING[index % PROFILING.length]!;
  const { strategy, option } = arms[arm]!;
  return { strategy, option };
}

/** Watches the schedules of a plain loop, so that a portfolio learns from them. */
class OwnDeal {
  readonly dealer: Dealer;
  private readonly runner: Runner;
  private readonly coverage: Coverage;
  private readonly keys = new DistinctKeys(LOCAL_BITS);
  private failed = false;

  constructor(runner: Runner, dealer: Dealer) {
    this.runner = runner;
    this.dealer = dealer;
    this.coverage = new Coverage({
      actors: runner.cpus.length,
      words: runner.memory.length,
      entriesFrom: runner.entriesFrom,
      kindOf: () => 0,
      kinds: 1,
      partyOf: () => 0,
    });
  }

  watch(scheduler: Scheduler, index: number): Scheduler {
    const { log } = this.runner;
    let counts = true;
    return {
      begin: (actors: readonly Cpu[], schedule: number): void => {
        // A replay under a scheduler that was handed out before teaches nothing.
        log.coverage ??= this.coverage;
        log.coverage.begin();
        scheduler.begin(actors, schedule);
      },
      pick: (enabled, count, current) => scheduler.pick(enabled, count, current),
      step: scheduler.step === undefined ? () => {} : (actor) => scheduler.step!(actor),
      end: (decisions, steps, failed): void => {
        scheduler.end?.(decisions, steps, failed);
        if (!counts) return;
        counts = false;
        const { coverage } = log;
        const newFailure = failed && !this.failed;
        this.failed ||= failed;
        this.dealer.report(index, {
          newFingerprint: coverage !== undefined && this.keys.add(coverage.lo, coverage.hi),
          newFailure,
        });
      },
    };
  }
}
