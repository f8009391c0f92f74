/**
 * Statistics of locks in the terms of /proc/lock_stat (design 8): each actor records its own, plain data comes back,
 * and merging sorts it by class of actor.
 */
import { ACTOR_CLASSES, type ActorClass, type Cpu, type LockProbe } from '../cpu/cpu.ts';
import { LOCK_MMU } from '../locks/probe.ts';
import { mergeHistograms, ValueHistogram, type HistogramData } from './value-histogram.ts';

/** What times are counted in: nanoseconds in the parallel runtime, visible operations in the single-threaded ones. */
export type TimeUnit = 'ns' | 'steps';

/** The rows of a lock table: an rwlock has one for its writers and one for its readers. */
export const LOCK_ROWS = ['mmu_lock-W', 'mmu_lock-R', 'slots_lock'] as const;
export type LockRowName = (typeof LOCK_ROWS)[number];

/** What one actor, or a class of them, did with one row. */
export interface LockFigures {
  readonly acquisitions: number;
  /** Acquisitions that had to wait. */
  readonly contentions: number;
  /**
   * Contentions in which another actor held the lock before; null if nobody told. lock_stat's con-bounces, with actors
   * for processors.
   */
  readonly bounces: number | null;
  /** Waits of the contended acquisitions only, as in lock_stat. */
  readonly wait: HistogramData;
  /** Holds that have ended. */
  readonly hold: HistogramData;
}

/** One actor's locks as plain data. */
export interface LockStats {
  readonly actor: number;
  readonly cls: ActorClass;
  readonly unit: TimeUnit;
  readonly rows: Readonly<Record<LockRowName, LockFigures>>;
  /** By row: contended acquisitions by the class of the actor that held the lock before. */
  readonly from: Readonly<Record<LockRowName, Readonly<Partial<Record<ActorClass, number>>>>>;
}

/** `count` times a lock went from an actor of one class to a waiting actor of another, or of the same, class. */
export interface HandOff {
  readonly from: ActorClass;
  readonly to: ActorClass;
  readonly count: number;
}

export interface LockSummary {
  readonly name: LockRowName;
  readonly total: LockFigures;
  /** Only classes that took it, in the order of ACTOR_CLASSES. */
  readonly byClass: readonly { readonly cls: ActorClass; readonly figures: LockFigures }[];
  /** The non-zero cells of the matrix class by class. */
  readonly handOffs: readonly HandOff[];
}

export interface MergedLockStats {
  readonly unit: TimeUnit;
  /** One for each of LOCK_ROWS, in that order. */
  readonly locks: readonly LockSummary[];
}

export interface LockRecorderOptions {
  readonly actor: number;
  readonly cls: ActorClass;
  readonly unit: TimeUnit;
  /** Classes of all actors by index; needed with `previousOwner`. */
  readonly classes?: readonly ActorClass[];
  /**
   * The actor that held the lock before the one that has it now, -1 if not known. Asked once per contended
   * acquisition, just after it, so the word it reads must still name the holder before.
   */
  readonly previousOwner?: (lock: number) => number;
}

function rowOf(lock: number, write: boolean): number {
  if (lock === LOCK_MMU) return write ? 0 : 1;
  return 2;
}

class Row {
  acquisitions = 0;
  contentions = 0;
  bounces = 0;
  readonly wait = new ValueHistogram();
  readonly hold = new ValueHistogram();
  readonly from: number[] = ACTOR_CLASSES.map(() => 0);
}

/** The probe of one actor. Two calls a hold, 0.3 to 0.5 µs in all if every second one waited: part of what is measured. */
export class LockRecorder implements LockProbe {
  private readonly options: LockRecorderOptions;
  private readonly rows: readonly Row[] = LOCK_ROWS.map(() => new Row());
  /** Index into ACTOR_CLASSES by actor. */
  private readonly classAt: readonly number[];

  constructor(options: LockRecorderOptions) {
    this.options = options;
    this.classAt = (options.classes ?? []).map((cls) => ACTOR_CLASSES.indexOf(cls));
  }

  acquired(_cpu: Cpu, lock: number, write: boolean, contended: boolean, wait: number): void {
    const row = this.rows[rowOf(lock, write)]!;
    row.acquisitions++;
    if (!contended) return;
    row.contentions++;
    row.wait.record(wait);
    if (this.options.previousOwner === undefined) return;
    const owner = this.options.previousOwner(lock);
    // An actor that waited and finds itself as the last owner met readers, or a lock freed meanwhile: no hand-off.
    const cls = owner === this.options.actor ? undefined : this.classAt[owner];
    if (cls === undefined) return;
    row.bounces++;
    row.from[cls]!++;
  }

  released(_cpu: Cpu, lock: number, write: boolean, hold: number): void {
    this.rows[rowOf(lock, write)]!.hold.record(hold);
  }

  serialize(): LockStats {
    const { actor, cls, unit, previousOwner } = this.options;
    const byRow = <T>(of: (row: Row) => T): Record<LockRowName, T> =>
      Object.fromEntries(LOCK_ROWS.map((name, at) => [name, of(this.rows[at]!)])) as Record<LockRowName, T>;
    return {
      actor,
      cls,
      unit,
      rows: byRow((row) => ({
        acquisitions: row.acquisitions,
        contentions: row.contentions,
        bounces: previousOwner === undefined ? null : row.bounces,
        wait: row.wait.serialize(),
        hold: row.hold.serialize(),
      })),
      from: byRow((row) =>
        Object.fromEntries(
          ACTOR_CLASSES.flatMap((name, at) => (row.from[at]! > 0 ? [[name, row.from[at]!]] : [])),
        ),
      ),
    };
  }
}

/** Figures of several actors together; `bounces` is known only if all know it. */
export function mergeFigures(list: readonly LockFigures[]): LockFigures {
  let acquisitions = 0;
  let contentions = 0;
  let bounces: number | null = 0;
  for (const figures of list) {
    acquisitions += figures.acquisitions;
    contentions += figures.contentions;
    bounces = bounces === null || figures.bounces === null ? null : bounces + figures.bounces;
  }
  return {
    acquisitions,
    contentions,
    bounces,
    wait: mergeHistograms(list.map((figures) => figures.wait)),
    hold: mergeHistograms(list.map((figures) => figures.hold)),
  };
}

/**
 * Merges the locks of all actors by class.
 * @throws RangeError if they were measured in different units
 */
export function mergeLockStats(
  list: readonly LockStats[],
  unit: TimeUnit = list[0]?.unit ?? 'ns',
): MergedLockStats {
  const odd = list.find((stats) => stats.unit !== unit);
  if (odd !== undefined)
    throw new RangeError(`actor ${odd.actor} measured in ${odd.unit}, the others in ${unit}`);
  const locks = LOCK_ROWS.map((name): LockSummary => {
    const byClass: { cls: ActorClass; figures: LockFigures }[] = [];
    const handOffs: HandOff[] = [];
    for (const cls of ACTOR_CLASSES) {
      const members = list.filter((stats) => stats.cls === cls && stats.rows[name].acquisitions > 0);
      if (members.length === 0) continue;
      byClass.push({ cls, figures: mergeFigures(members.map((stats) => stats.rows[name])) });
      for (const from of ACTOR_CLASSES) {
        const count = members.reduce((sum, stats) => sum + (stats.from[name][from] ?? 0), 0);
        if (count > 0) handOffs.push({ from, to: cls, count });
      }
    }
    return { name, total: mergeFigures(byClass.map((entry) => entry.figures)), byClass, handOffs };
  });
  return { unit, locks };
}
