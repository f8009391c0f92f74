/**
 * A histogram of times. The shape is hdr-histogram-js with two significant digits; count, minimum, maximum and total
 * are kept beside it, exact, because the library's own come back rounded to a bucket after decoding.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, JsHistogram } from 'hdr-histogram-js';

const SIGNIFICANT_DIGITS = 2;

/** A histogram as plain data: it can be posted to another thread and stored. */
export interface HistogramData {
  readonly count: number;
  /** Exact; 0 if nothing was recorded, as are `max` and `total`. */
  readonly min: number;
  readonly max: number;
  readonly total: number;
  /** HdrHistogram V2, compressed, base64; null if nothing was recorded. */
  readonly encoded: string | null;
}

/** One bucket: `count` values from `from` to `to`, both included. */
export interface Bucket {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export const EMPTY_HISTOGRAM: HistogramData = { count: 0, min: 0, max: 0, total: 0, encoded: null };

type BucketBits = 32 | 64;

function make(bits: BucketBits): JsHistogram {
  // The JS build: the WebAssembly one has to be loaded first and costs more a record (perf-limits 8).
  const histogram = build({
    bitBucketSize: bits,
    autoResize: true,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
    useWebAssembly: false,
  });
  if (!(histogram instanceof JsHistogram)) throw new TypeError('hdr-histogram-js built no JS histogram');
  return histogram;
}

export class ValueHistogram {
  private readonly bits: BucketBits;
  private shape: JsHistogram | undefined;
  private recorded = 0;
  private lowest = 0;
  private highest = 0;
  private sum = 0;

  /** 32-bit buckets are cheaper and enough for one actor; merged ones may need 64. */
  constructor(bits: BucketBits = 32) {
    this.bits = bits;
  }

  static from(...list: readonly HistogramData[]): ValueHistogram {
    const histogram = new ValueHistogram(64);
    for (const data of list) histogram.add(data);
    return histogram;
  }

  /** Records one value; a fraction is rounded, a clock that went backwards counts as 0. */
  record(value: number): void {
    const rounded = value > 0 ? Math.round(value) : 0;
    // The buckets appear with the first value: most actors never touch most locks.
    this.shape ??= make(this.bits);
    this.shape.recordValue(rounded);
    if (this.recorded === 0 || rounded < this.lowest) this.lowest = rounded;
    if (rounded > this.highest) this.highest = rounded;
    this.recorded++;
    this.sum += rounded;
  }

  /** Adds everything another histogram has seen. */
  add(data: HistogramData): void {
    if (data.count === 0 || data.encoded === null) return;
    this.shape ??= make(this.bits);
    this.shape.add(decodeFromCompressedBase64(data.encoded, 64, false) as JsHistogram);
    this.lowest = this.recorded === 0 ? data.min : Math.min(this.lowest, data.min);
    this.highest = Math.max(this.highest, data.max);
    this.recorded += data.count;
    this.sum += data.total;
  }

  get count(): number {
    return this.recorded;
  }
  get min(): number {
    return this.lowest;
  }
  get max(): number {
    return this.highest;
  }
  get total(): number {
    return this.sum;
  }
  /** 0 if nothing was recorded. */
  get mean(): number {
    return this.recorded === 0 ? 0 : this.sum / this.recorded;
  }

  /** The value that `percent` of the values do not exceed, within one bucket; 0 if nothing was recorded. */
  percentile(percent: number): number {
    if (this.shape === undefined) return 0;
    if (percent <= 0) return this.lowest;
    return Math.max(this.lowest, Math.min(this.highest, this.shape.getValueAtPercentile(percent)));
  }

  /** The buckets that hold something, from the lowest value up. */
  buckets(): Bucket[] {
    const { shape } = this;
    if (shape === undefined) return [];
    const found: Bucket[] = [];
    const last = shape.countsArrayIndex(shape.maxValue);
    for (let index = 0; index <= last; index++) {
      const count = shape.getCountAtIndex(index);
      if (count === 0) continue;
      const from = shape.valueFromIndex(index);
      found.push({ from, to: shape.highestEquivalentValue(from), count });
    }
    return found;
  }

  serialize(): HistogramData {
    if (this.shape === undefined) return EMPTY_HISTOGRAM;
    return {
      count: this.recorded,
      min: this.lowest,
      max: this.highest,
      total: this.sum,
      encoded: encodeIntoCompressedBase64(this.shape),
    };
  }
}

/** The histogram of all values together. */
export function mergeHistograms(list: readonly HistogramData[]): HistogramData {
  return ValueHistogram.from(...list).serialize();
}
