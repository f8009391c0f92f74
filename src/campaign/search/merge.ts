/**
 * Merging shards in the order of their schedules. Whatever the search hands back is made here, so that it is the same for any
 * number of workers: totals, failures, coverage, the portfolio's deals, and where the search ends.
 */
import { Dealer, epochOf, type Epoch } from '../../explore/deal.ts';
import { DistinctKeys } from '../../explore/distinct.ts';
import type { PairKey } from '../../explore/coverage.ts';
import { PROFILE_RUNS } from '../../explore/profile.ts';
import type { ChosenStrategy } from '../../explore/strategies/index.ts';
import type { ShardFailure, ShardReply, Totals } from './shard.ts';

/** The estimate of what is unseen means little before this many schedules. */
export const MIN_FOR_COVERAGE = 256;
/** Failures that are kept with their violations. */
const MAX_KEPT = 1000;

/** Divergences that are told. */
const MAX_DIFFERENCES = 3;

export type EndReason = 'schedules' | 'failures' | 'covered' | 'error';

export interface MergeOptions {
  readonly strategy: ChosenStrategy;
  readonly from: number;
  readonly maxFailures: number;
  /** End when the next schedule is known with this probability; undefined: never. */
  readonly stopWhenCovered?: number | undefined;
}

/** Failures that are taken for the same: the same check on the same kind of place. */
export interface DistinctFailure {
  readonly first: ShardFailure;
  count: number;
}

export class Merger {
  readonly keys = new DistinctKeys();
  /** Ordered pairs in the order in which the schedules met them. */
  readonly pairs = new Set<PairKey>();
  readonly failures: ShardFailure[] = [];
  readonly distinct = new Map<string, DistinctFailure>();
  readonly byCheck: Record<string, number> = {};
  readonly diverged: number[] = [];
  /** What the first of them differ in. */
  readonly differences: string[] = [];
  /** Schedules by arm of a portfolio, without the profile runs. */
  readonly dealt: Float64Array;
  counters: readonly Float64Array[] = [];
  failing = 0;
  schedules = 0;
  steps = 0;
  decisions = 0;
  truncated = 0;
  private hashed = 0;
  private readonly options: MergeOptions;
  private readonly dealer: Dealer | undefined;
  /** Why nothing more is taken. */
  ended: EndReason | undefined;
  error: string | undefined;

  constructor(options: MergeOptions) {
    this.options = options;
    const { arms } = options.strategy.strategy;
    this.dealt = new Float64Array(arms?.length ?? 0);
    this.dealer =
      arms === undefined
        ? undefined
        : new Dealer(
            arms.map(({ share }) => share),
            options.from,
          );
  }

  /** The arms of schedules [from, to) of one epoch; `wait` while it depends on shards that have not been merged. */
  dealOf(from: number, to: number): Uint8Array | undefined | 'wait' {
    if (this.dealer === undefined) return undefined;
    const epoch: Epoch = epochOf(from);
    return this.dealer.dealOf(epoch)?.slice(from - epoch.from, to - epoch.from) ?? 'wait';
  }

  /** Takes the next shard. Shards come in order, and once the search has ended nothing changes any more. */
  take(reply: ShardReply, deal: Uint8Array | undefined): void {
    if (this.ended !== undefined) return;
    const failures = new Map(reply.failures.map((failure) => [failure.schedule, failure]));
    let totals: Totals = reply.totals;
    for (let at = 0; at < reply.hashes.length; at++) {
      const schedule = reply.from + at;
      const failure = failures.get(schedule);
      const newFailure = failure !== undefined && this.fail(failure);
      const newFingerprint = this.keys.add(reply.keys[2 * at]!, reply.keys[2 * at + 1]!);
      this.hashed = (Math.imul(this.hashed, 31) + reply.hashes[at]!) | 0;
      if (deal !== undefined && schedule >= PROFILE_RUNS) this.dealt[deal[at]!]!++;
      this.dealer?.report(schedule, { newFingerprint, newFailure });
      if (failure === undefined || this.failing < this.options.maxFailures) continue;
      ({ totals } = failure);
      this.ended = 'failures';
      break;
    }
    this.add(totals, reply);
    if (reply.error !== undefined && this.ended === undefined) {
      this.ended = 'error';
      this.error = reply.error;
    }
    const { stopWhenCovered } = this.options;
    if (this.ended !== undefined || stopWhenCovered === undefined) return;
    if (this.keys.total >= MIN_FOR_COVERAGE && 1 - this.keys.unseen >= stopWhenCovered)
      this.ended = 'covered';
  }

  /** Notes a failure; true if it is the first of its kind. */
  private fail(failure: ShardFailure): boolean {
    this.failing++;
    if (this.failures.length < MAX_KEPT) this.failures.push(failure);
    const { id } = failure.violation;
    this.byCheck[id] = (this.byCheck[id] ?? 0) + 1;
    const known = this.distinct.get(failure.signature);
    if (known === undefined) this.distinct.set(failure.signature, { first: failure, count: 1 });
    else known.count++;
    return known === undefined;
  }

  private add(totals: Totals, reply: ShardReply): void {
    this.schedules += totals.schedules;
    this.steps += totals.steps;
    this.decisions += totals.decisions;
    this.truncated += totals.truncated;
    for (let i = 0; i < totals.pairs; i++) this.pairs.add(reply.pairs[i]!);
    const last = reply.from + totals.schedules;
    reply.diverged.forEach((schedule, at) => {
      if (schedule >= last) return;
      this.diverged.push(schedule);
      const difference = reply.differences[at];
      if (difference !== undefined && this.differences.length < MAX_DIFFERENCES)
        this.differences.push(difference);
    });
    if (this.counters.length === 0) this.counters = totals.counters.map((row) => row.slice());
    else {
      totals.counters.forEach((row, actor) => {
        const sum = this.counters[actor]!;
        for (let i = 0; i < row.length; i++) sum[i]! += row[i]!;
      });
    }
  }

  /** Combined hash of the schedules' trace hashes, in their order. */
  get hash(): string {
    return (this.hashed >>> 0).toString(16).padStart(8, '0');
  }
}
