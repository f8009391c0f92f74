/**
 * Dealing the schedules of a search to the arms of a portfolio by what each has yielded.
 *
 * Schedules come in epochs: PROFILE_RUNS random walks, then up to 64, 128, ... schedules, at most MAX_EPOCH at a time. How an
 * epoch is dealt depends on its number and on what all epochs before the last one have yielded, merged in the order of
 * their schedules. It depends on no timing, so it is the same for any number of workers; and as the last epoch
 * is left out, workers may begin an epoch while the one before it is still under way.
 *
 * Yield is new behaviour: happens-before fingerprints that no earlier schedule had, and failures of a kind not met before. Each
 * arm has a share to begin with (from the scoreboard), and moves up or down from there by at most RANGE, as its yield per
 * schedule compares with what the initial shares would bring.
 */
import { PROFILE_RUNS } from './profile.ts';

const FIRST_END = 64;
const MAX_EPOCH = 4096;
/** An arm's share moves from its initial one by this factor at most. */
const RANGE = 3;
/** Schedules of average yield that an arm is credited with, so that a few of its own do not decide. */
const PRIOR_SCHEDULES = 32;
/** A failure of a new kind is worth as much as this many new fingerprints. */
const NEW_FAILURE = 16;

/** A run of consecutive schedules that are dealt together: [from, to). */
export interface Epoch {
  readonly number: number;
  readonly from: number;
  readonly to: number;
}

/** The epoch that a schedule belongs to: a function of its number alone. */
export function epochOf(schedule: number): Epoch {
  if (schedule < PROFILE_RUNS) return { number: 0, from: 0, to: PROFILE_RUNS };
  let from = PROFILE_RUNS;
  let to = FIRST_END;
  let number = 1;
  while (schedule >= to && to - from < MAX_EPOCH) {
    from = to;
    to = from + Math.min(from, MAX_EPOCH);
    number++;
  }
  if (schedule >= to) {
    const more = Math.floor((schedule - to) / MAX_EPOCH) + 1;
    number += more;
    from += more * MAX_EPOCH;
    to += more * MAX_EPOCH;
  }
  return { number, from, to };
}

/** What a schedule brought. */
export interface Yield {
  readonly newFingerprint: boolean;
  readonly newFailure: boolean;
}

export class Dealer {
  private readonly shares: readonly number[];
  /** By arm, what the epochs before the last complete one have brought, and those after it. */
  private readonly settled: { readonly schedules: Float64Array; readonly yields: Float64Array };
  private readonly recent: { readonly schedules: Float64Array; readonly yields: Float64Array };
  private current: Epoch;
  private next: number;
  private readonly deals = new Map<number, Uint8Array>();

  /** @param from the first schedule of the search; nothing is known of those before it */
  constructor(shares: readonly number[], from = 0) {
    const tally = () => ({
      schedules: new Float64Array(shares.length),
      yields: new Float64Array(shares.length),
    });
    this.shares = shares;
    this.settled = tally();
    this.recent = tally();
    this.current = epochOf(from);
    this.next = from;
    this.deal(this.current);
    this.deal(epochOf(this.current.to));
  }

  /** Arms of an epoch's schedules, in their order; undefined while it depends on schedules not yet reported. */
  dealOf(epoch: Epoch): Uint8Array | undefined {
    return this.deals.get(epoch.number);
  }

  /** The arm of a schedule. @throws Error if it depends on schedules not yet reported */
  armOf(schedule: number): number {
    const epoch = epochOf(schedule);
    const deal = this.dealOf(epoch);
    if (deal === undefined)
      throw new Error(`schedule ${schedule} of a portfolio depends on what those before it have found`);
    return deal[schedule - epoch.from]!;
  }

  /** Takes what a schedule brought; schedules are reported in their order. Those reported before are ignored. */
  report(schedule: number, { newFingerprint, newFailure }: Yield): void {
    if (schedule !== this.next) return;
    this.next++;
    const arm = this.armOf(schedule);
    // The profile runs are nobody's.
    if (this.current.number > 0) {
      this.recent.schedules[arm]!++;
      this.recent.yields[arm]! += (newFingerprint ? 1 : 0) + (newFailure ? NEW_FAILURE : 0);
    }
    if (this.next < this.current.to) return;
    for (let i = 0; i < this.shares.length; i++) {
      this.settled.schedules[i]! += this.recent.schedules[i]!;
      this.settled.yields[i]! += this.recent.yields[i]!;
    }
    this.recent.schedules.fill(0);
    this.recent.yields.fill(0);
    this.deals.delete(this.current.number - 1);
    this.current = epochOf(this.next);
    this.deal(epochOf(this.current.to));
  }

  /** Shares by what is settled; they sum up to 1. */
  get mix(): Float64Array {
    const { schedules, yields } = this.settled;
    let allSchedules = 0;
    let allYields = 0;
    for (let i = 0; i < schedules.length; i++) {
      allSchedules += schedules[i]!;
      allYields += yields[i]!;
    }
    const pooled = allSchedules === 0 ? 0 : allYields / allSchedules;
    const rates = this.shares.map(
      (_, i) => (yields[i]! + PRIOR_SCHEDULES * pooled) / (schedules[i]! + PRIOR_SCHEDULES),
    );
    // What the initial shares would bring; where nothing brings anything any more, they stand.
    const average = rates.reduce((sum, rate, i) => sum + rate * this.shares[i]!, 0);
    const weights = Float64Array.from(this.shares, (share, i) =>
      average === 0 ? share : share * Math.min(RANGE, Math.max(1 / RANGE, rates[i]! / average)),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  }

  /** Deals an epoch so that every stretch of it has each arm in proportion: the one furthest behind its share is next. */
  private deal(epoch: Epoch): void {
    const { mix } = this;
    const credit = new Float64Array(mix.length);
    const deal = new Uint8Array(epoch.to - epoch.from);
    for (let at = 0; at < deal.length; at++) {
      let best = 0;
      for (let arm = 0; arm < mix.length; arm++) {
        credit[arm]! += mix[arm]!;
        if (credit[arm]! > credit[best]! + 1e-9) best = arm;
      }
      credit[best]!--;
      deal[at] = best;
    }
    this.deals.set(epoch.number, deal);
  }
}
