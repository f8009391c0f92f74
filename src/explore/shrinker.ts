/** The steps of shrinking a schedule, each trying to better the best failing run so far. */
import { ddmin } from './ddmin.ts';
import {
  better,
  playSegments,
  replayOverrides,
  playSchedule,
  type FailingRun,
  type Workplace,
} from './failing-run.ts';
import { DependenceRecorder, linearise } from './linearise.ts';
import { OverrideScheduler, type Override } from './overrides.ts';
import { regroup, settle, SegmentScheduler, type Segment } from './segments.ts';

/** Of a list longer than this only neighbours are left out together. */
const MANY_OVERRIDES = 24;

export class Shrinker {
  best: FailingRun;
  private readonly place: Workplace;
  private readonly seen = new Map<string, FailingRun | undefined>();
  private readonly played = new Set<string>();

  constructor(place: Workplace, start: FailingRun) {
    this.place = place;
    this.best = start;
  }

  private key(overrides: readonly Override[], idle: ReadonlySet<number>): string {
    return `${[...idle].join(' ')}: ${overrides.map(({ actor, op, next }) => `${actor}.${op}.${next}`).join(' ')}`;
  }

  private readonly tryRun = (
    overrides: readonly Override[],
    idle: ReadonlySet<number>,
  ): FailingRun | undefined => {
    const key = this.key(overrides, idle);
    if (this.seen.has(key)) return this.seen.get(key);
    if (!this.place.budget.take()) return undefined;
    const run = replayOverrides(this.place, overrides, { idle, kept: this.best.kept });
    this.seen.set(key, run);
    if (
      run !== undefined &&
      (idle.size > this.best.idle.size ? !better(this.best, run) : better(run, this.best))
    )
      this.best = run;
    return run;
  };

  /** Runs a candidate; what was used of it if it still fails. */
  readonly fails = (overrides: readonly Override[]): readonly Override[] | undefined =>
    this.tryRun(overrides, this.best.idle)?.overrides;

  /** ddmin over the preemptions alone; the switches that cost nothing stay. Returns true if it helped. */
  dropPreemptions(): boolean {
    const before = this.best;
    let from = before;
    ddmin([...from.preempting], (kept) => {
      const run = this.tryRun(
        from.overrides.filter((one) => !from.preempting.has(one) || kept.includes(one)),
        from.idle,
      );
      if (run === undefined || run.preempting.size >= from.preempting.size) return undefined;
      from = run;
      return [...run.preempting];
    });
    return this.best !== before;
  }

  /** Plays segments; they are kept as the best run if they fail alike with less. What came of them if they did. */
  private trySegments(segments: readonly Segment[]): readonly Segment[] | undefined {
    const key = segments
      .map(({ actor, until, settles }) => `${actor}:${until}${settles === true ? '+' : ''}`)
      .join(' ');
    if (this.played.has(key) || !this.place.budget.take()) return undefined;
    this.played.add(key);
    const played = playSegments(this.place, new SegmentScheduler(segments), this.best);
    if (played === undefined || !better(played.run, this.best)) return undefined;
    this.best = played.run;
    return played.segments;
  }

  /** Groups stretches of the schedule by actor: the whole, then halves, down to three segments. Returns true if it helped. */
  group(): boolean {
    const before = this.best;
    if (before.result.preemptions < 2 || !this.place.budget.take()) return false;
    const now = playSegments(this.place, new OverrideScheduler(before.overrides), before);
    if (now === undefined) return false;
    let { segments } = now;
    const visit = (from: number, to: number): void => {
      if (to - from < 3 || !segments.slice(from, to).some(({ preempted }) => preempted)) return;
      for (const order of ['first', 'last'] as const) {
        const candidate = regroup(segments, from, to, order);
        const found = candidate.length < segments.length ? this.trySegments(candidate) : undefined;
        if (found === undefined) continue;
        segments = found;
        return;
      }
      // The later half first: what comes before it stays as it is.
      const middle = (from + to) >> 1;
      visit(middle, to);
      visit(from, middle);
    };
    visit(0, segments.length);
    for (let from = segments.length - 3; from >= 0; from--) {
      if (!segments.slice(from, from + 3).some(({ preempted }) => preempted)) continue;
      for (const order of ['first', 'last'] as const) {
        const candidate = regroup(segments, from, from + 3, order);
        if (candidate.length < segments.length) segments = this.trySegments(candidate) ?? segments;
      }
    }
    return this.best !== before;
  }

  /** Plays the same behaviour with fewer switches. Returns true if it helped. */
  linearise(): boolean {
    const before = this.best;
    const { runner, budget } = this.place;
    if (before.result.preemptions < 2 || !budget.take()) return false;
    const recorder = new DependenceRecorder(new OverrideScheduler(before.overrides), runner.entriesFrom);
    runner.log.coverage = recorder.coverage;
    const again = playSchedule(this.place, recorder, before);
    runner.log.coverage = undefined;
    if (again !== undefined) this.trySegments(linearise(recorder.nodes, runner.cpus.length));
    return this.best !== before;
  }

  /** Moves preemptions one by one to where the switch costs nothing: most are in the middle of something by accident. Returns true if it helped. */
  settle(): boolean {
    const before = this.best;
    if (before.result.preemptions === 0 || !this.place.budget.take()) return false;
    const now = playSegments(this.place, new OverrideScheduler(before.overrides), before);
    if (now === undefined) return false;
    let { segments } = now;
    for (let at = segments.length - 1; at >= 0; at--) {
      for (const when of ['later', 'earlier'] as const) {
        if (segments[at]?.preempted !== true) break;
        segments = this.trySegments(settle(segments, at, when)) ?? segments;
      }
    }
    return this.best !== before;
  }

  /** Leaves out whole actors, the last first; those that did not move before the failure may stay. Returns true if it helped. */
  dropActors(moved: ReadonlySet<number>): boolean {
    const before = this.best;
    for (const actor of [...moved].sort((a, b) => b - a)) {
      const { overrides, idle } = this.best;
      const { cpus } = this.place.runner;
      if (idle.has(actor) || idle.size + 1 >= cpus.length || !this.place.runner.mayIdle(actor)) continue;
      this.tryRun(
        overrides.filter((one) => one.actor !== actor && one.next !== actor),
        new Set([...idle, actor]),
      );
    }
    return this.best !== before;
  }

  /** Tries to leave out pairs, to move each override by one operation, and to send it elsewhere. Returns true if it helped. */
  localSearch(actors: number): boolean {
    const before = this.best;
    const list = before.overrides;
    const improved = (): boolean => this.best !== before;
    // There are too many pairs of a long list to go through them all: those close to one another may belong together.
    const { budget } = this.place;
    const reach = list.length > MANY_OVERRIDES ? 1 : list.length;
    for (let i = 0; i < list.length && !budget.spent; i++) {
      for (let j = i + 1; j < list.length && j - i <= reach && !budget.spent; j++) {
        this.fails(list.filter((_, at) => at !== i && at !== j));
        if (improved()) return true;
      }
    }
    for (let i = 0; i < list.length && !budget.spent; i++) {
      const one = list[i]!;
      const rest = (changed: Override): Override[] => list.map((other, at) => (at === i ? changed : other));
      for (const shift of [-1, 1]) {
        if (one.op + shift >= 0) this.fails(rest({ ...one, op: one.op + shift }));
      }
      for (let next = 0; next < actors; next++) {
        if (next !== one.next && next !== one.actor) this.fails(rest({ ...one, next }));
      }
      if (improved()) return true;
    }
    return false;
  }
}
