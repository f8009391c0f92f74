/**
 * Yield behaviour: how long a waiter makes the holder of `mmu_lock` wait before it lets go, from the first waiter to
 * the drop (design 8). The runtime knows both ends and feeds it.
 */
import type { TimeUnit } from './lock-stats.ts';
import { mergeHistograms, ValueHistogram, type HistogramData } from './value-histogram.ts';

export interface DropLatencyData {
  readonly unit: TimeUnit;
  readonly latency: HistogramData;
}

/** What the runtime needs to know of it. */
export interface DropLatencyProbe {
  /** Time or steps from the first waiter to the drop of the lock by its holder. */
  record(value: number): void;
}

export class DropLatency implements DropLatencyProbe {
  private readonly unit: TimeUnit;
  private readonly histogram = new ValueHistogram();

  constructor(unit: TimeUnit) {
    this.unit = unit;
  }

  record(value: number): void {
    this.histogram.record(value);
  }

  serialize(): DropLatencyData {
    return { unit: this.unit, latency: this.histogram.serialize() };
  }
}

/**
 * Merges what several holders recorded.
 * @throws RangeError if they were measured in different units
 */
export function mergeDropLatency(
  list: readonly DropLatencyData[],
  unit: TimeUnit = list[0]?.unit ?? 'ns',
): DropLatencyData {
  if (list.some((data) => data.unit !== unit)) throw new RangeError('drop latencies in different units');
  return { unit, latency: mergeHistograms(list.map((data) => data.latency)) };
}
