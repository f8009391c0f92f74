/** How far a figure can be trusted (design 8): what the clock costs, how many samples, whether threads shared cores. */
import type { TimeUnit } from './lock-stats.ts';

const READS_PER_BATCH = 1000;
const BATCHES = 31;
/** Below this many samples, percentiles and maxima are anecdotes. */
const MIN_SAMPLES = 30;
/** A time shorter than this many clock reads is mostly clock: two reads bracket every measurement. */
const CLOCK_READS_TO_TRUST = 4;

/** The median cost of one read of `clock`, in its own unit (nanoseconds). */
export function measureClockCost(clock: () => number): number {
  const costs: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = clock();
    for (let read = 1; read < READS_PER_BATCH; read++) clock();
    costs.push((clock() - start) / READS_PER_BATCH);
  }
  costs.sort((a, b) => a - b);
  return costs[BATCHES >> 1]!;
}

export interface Trust {
  /** Threads that ran at the same time, and cores they had. */
  readonly workers: number;
  readonly cores: number;
  /** Values the figures rest on. */
  readonly samples: number;
  readonly unit: TimeUnit;
  /** What the samples are of: `contended waits`. */
  readonly of?: string;
  /** From `measureClockCost`. */
  readonly clockCostNs?: number;
}

/** The reasons not to take the figures at face value; empty if there are none. */
export function trustNotes({ workers, cores, samples, unit, of, clockCostNs }: Trust): string[] {
  const notes: string[] = [];
  if (unit === 'ns' && workers > cores) {
    notes.push(`more threads (${workers}) than cores (${cores}): waits measure the host scheduler`);
  }
  if (unit === 'ns' && clockCostNs !== undefined && clockCostNs > 0) {
    const cost = Math.round(clockCostNs);
    const limit = Math.round(clockCostNs * CLOCK_READS_TO_TRUST);
    notes.push(`clock read costs ${cost} ns: times below ${limit} ns are mostly the clock`);
  }
  if (samples < MIN_SAMPLES) {
    const what = of === undefined ? '' : ` of ${of}`;
    notes.push(
      samples === 0 ? `no samples${what}` : `only ${samples} sample${samples === 1 ? '' : 's'}${what}`,
    );
  }
  return notes;
}
