/** From the rows of counters and the recorders of a run to its statistics. */
import { C, COUNTERS, type CounterName } from '../cpu/counters.ts';
import { ACTOR_CLASSES, type ActorClass } from '../cpu/cpu.ts';
import type { FlushReason } from '../mmu/observer.ts';
import { mergeDropLatency, type DropLatencyData } from './drop-latency.ts';
import { mergeLockStats, type LockStats, type LockSummary, type TimeUnit } from './lock-stats.ts';
import type { HistogramData } from './value-histogram.ts';

/** One actor's counters, or a sum of several. */
export interface CounterRow {
  readonly cls: ActorClass;
  readonly row: ArrayLike<number>;
}

export type Counts = Readonly<Record<CounterName, number>>;

export interface MergedCounters {
  readonly total: Counts;
  /** Only classes that had an actor. */
  readonly byClass: Readonly<Partial<Record<ActorClass, Counts>>>;
}

/** How many SPTEs of each size the slot has mapped at time `t`. */
export interface HugePageSample {
  readonly t: number;
  readonly pages4k: number;
  readonly pages2m: number;
  readonly pages1g: number;
}

export interface SplitFigures {
  readonly ok: number;
  readonly from1g: number;
  readonly from2m: number;
  readonly eagain: number;
  readonly enospc: number;
  readonly enomem: number;
  readonly roundsWithoutSplit: number;
  readonly restarts: number;
  readonly topups: number;
  readonly newTables: number;
  readonly reusedTables: number;
  /** Holds of mmu_lock that ended with a drop for a topup. The last hold of a pass is not among them. */
  readonly holds: number;
  /** Splits for each such hold; null if the split never dropped the lock. */
  readonly perHold: number | null;
  /** Time spent, and whether of split passes or of the whole run. */
  readonly time: number;
  readonly timeOf: 'passes' | 'run';
  /** Null in steps, or if no time passed. */
  readonly perSecond: number | null;
}

export interface YieldFigures {
  /** By the split, for its caches or because somebody wants the lock or the processor. */
  readonly topup: {
    readonly total: number;
    readonly contended: number;
    readonly resched: number;
    readonly cacheLow: number;
  };
  /** By the rmap walker between two heads. */
  readonly walker: { readonly total: number; readonly contended: number; readonly resched: number };
}

export interface FlushFigures {
  readonly total: number;
  readonly byReason: Readonly<Record<FlushReason, number>>;
  /** vCPUs that had to be kicked out of guest mode. */
  readonly ipis: number;
}

export interface FaultFigures {
  readonly total: number;
  readonly fixed: number;
  readonly spurious: number;
  readonly retried: number;
  readonly emulated: number;
  readonly injected: number;
  readonly nxSplits: number;
  readonly prefetched: number;
}

export interface MigrationFigures {
  readonly completed: number;
  readonly rounds: number;
  readonly pagesCopied: number;
  readonly pagesCompared: number;
  readonly result: 'equal' | 'different' | 'unfinished' | 'none';
}

export interface RunStatistics {
  readonly unit: TimeUnit;
  readonly counters: MergedCounters;
  readonly splits: SplitFigures;
  readonly yields: YieldFigures;
  /** One for each of LOCK_ROWS, in that order. */
  readonly locks: readonly LockSummary[];
  /** From the first waiter to the drop of mmu_lock by its holder. */
  readonly dropLatency: HistogramData;
  readonly flushes: FlushFigures;
  readonly faults: FaultFigures;
  readonly migration: MigrationFigures;
  readonly hugePages: readonly HugePageSample[];
}

function namedCounts(rows: readonly ArrayLike<number>[]): Counts {
  return Object.fromEntries(
    COUNTERS.map((name) => [name, rows.reduce((sum, row) => sum + (row[C[name]] ?? 0), 0)]),
  ) as Record<CounterName, number>;
}

/** Adds the rows up, by class and in total. */
export function mergeCounters(rows: readonly CounterRow[]): MergedCounters {
  const byClass: Partial<Record<ActorClass, Counts>> = {};
  for (const cls of ACTOR_CLASSES) {
    const members = rows.filter((entry) => entry.cls === cls).map((entry) => entry.row);
    if (members.length > 0) byClass[cls] = namedCounts(members);
  }
  return { total: namedCounts(rows.map((entry) => entry.row)), byClass };
}

export function yieldFigures(counts: Counts): YieldFigures {
  const { topupsContended, topupsResched, topupsCacheLow, walkerYields, walkerYieldsContended } = counts;
  return {
    topup: {
      total: topupsContended + topupsResched + topupsCacheLow,
      contended: topupsContended,
      resched: topupsResched,
      cacheLow: topupsCacheLow,
    },
    walker: {
      total: walkerYields,
      contended: walkerYieldsContended,
      resched: walkerYields - walkerYieldsContended,
    },
  };
}

export function flushFigures(counts: Counts): FlushFigures {
  return {
    total: counts.flushes,
    byReason: {
      split: counts.flushSplit,
      'end-of-ioctl': counts.flushEndOfIoctl,
      fault: counts.flushFault,
      zap: counts.flushZap,
      'write-protect': counts.flushWriteProtect,
      recycle: counts.flushRecycle,
      'log-off': counts.flushLogOff,
      notifier: counts.flushNotifier,
      age: counts.flushAge,
      sync: counts.flushSync,
      tdp: counts.flushTdp,
      'nx-recovery': counts.flushNxRecovery,
      memslot: counts.flushMemslot,
    },
    ipis: counts.flushIpis,
  };
}

const NS_PER_SECOND = 1e9;

function splitFigures(counts: Counts, input: SummaryInput): SplitFigures {
  const { splitTime = null, duration, unit } = input;
  const time = splitTime ?? duration;
  return {
    ok: counts.splitOk,
    from1g: counts.split1g,
    from2m: counts.split2m,
    eagain: counts.splitEagain,
    enospc: counts.splitEnospc,
    enomem: counts.splitEnomem,
    roundsWithoutSplit: counts.roundsWithoutSplit,
    restarts: counts.restarts,
    topups: counts.topups,
    newTables: counts.spNew,
    reusedTables: counts.spReused,
    holds: counts.splitHolds,
    perHold: counts.splitHolds === 0 ? null : counts.splitOk / counts.splitHolds,
    time,
    timeOf: splitTime === null ? 'run' : 'passes',
    perSecond: unit === 'ns' && time > 0 ? (counts.splitOk * NS_PER_SECOND) / time : null,
  };
}

function migrationFigures(counts: Counts, brokenRules: readonly string[]): MigrationFigures {
  const started = counts.pagesCopied > 0 || counts.rounds > 0 || counts.migrations > 0;
  const result = (): MigrationFigures['result'] => {
    if (brokenRules.includes('D6')) return 'different';
    if (counts.migrations > 0 && counts.pagesCompared > 0) return 'equal';
    return started ? 'unfinished' : 'none';
  };
  return {
    completed: counts.migrations,
    rounds: counts.rounds,
    pagesCopied: counts.pagesCopied,
    pagesCompared: counts.pagesCompared,
    result: result(),
  };
}

export interface SummaryInput {
  readonly unit: TimeUnit;
  /** Of the run, in the unit. */
  readonly duration: number;
  /** Spent in split passes, in the unit; absent or null if nobody measured it. */
  readonly splitTime?: number | null;
  readonly rows: readonly CounterRow[];
  readonly locks?: readonly LockStats[];
  readonly dropLatency?: readonly DropLatencyData[];
  readonly hugePages?: readonly HugePageSample[];
  /** Ids of the rules that were broken: D6 says that the migration lost a page. */
  readonly brokenRules?: readonly string[];
}

/**
 * The statistics of a run.
 * @throws RangeError if a recorder measured in another unit
 */
export function summarize(input: SummaryInput): RunStatistics {
  const { unit } = input;
  const counters = mergeCounters(input.rows);
  const { total } = counters;
  return {
    unit,
    counters,
    splits: splitFigures(total, input),
    yields: yieldFigures(total),
    locks: mergeLockStats(input.locks ?? [], unit).locks,
    dropLatency: mergeDropLatency(input.dropLatency ?? [], unit).latency,
    flushes: flushFigures(total),
    faults: {
      total: total.faults,
      fixed: total.faultsFixed,
      spurious: total.faultsSpurious,
      retried: total.faultsRetried,
      emulated: total.faultsEmulated,
      injected: total.faultsInjected,
      nxSplits: total.nxSplits,
      prefetched: total.prefetched,
    },
    migration: migrationFigures(total, input.brokenRules ?? []),
    hugePages: input.hugePages ?? [],
  };
}
