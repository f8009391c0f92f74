/** One side of a comparison: runs batches of units of work and says how long they took. */
export interface Sample {
  /** Time in nanoseconds and units of work done in it. */
  readonly ns: number;
  readonly units: number;
}

export interface Subject {
  readonly name: string;
  run(batches: number): Promise<Sample>;
  close(): Promise<void>;
}

/** Nanoseconds per unit of one subject, round by round. */
export type Series = readonly number[];

export const median = (values: Series): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** The same as text: the median and the range. */
export function range(values: Series, format: (value: number) => string): string {
  return `${format(median(values))} (${format(Math.min(...values))}-${format(Math.max(...values))})`;
}

/** Round by round `a / b`; neighbours in time meet the same noise. */
export const ratios = (a: Series, b: Series): number[] => a.map((value, round) => value / b[round]!);

export interface InterleaveOptions {
  readonly rounds: number;
  /** Time one subject gets per round, in milliseconds. */
  readonly roundMs: number;
  /** Time each subject gets before the first round. */
  readonly warmMs: number;
}

/**
 * Measures subjects in turns, A B C A B C ..., so that each round compares what ran next to each other.
 * @returns one series for each subject
 */
export async function interleave(
  subjects: readonly Subject[],
  options: InterleaveOptions,
): Promise<Series[]> {
  const batches: number[] = [];
  for (const subject of subjects) batches.push(await warmUp(subject, options));
  const series: number[][] = subjects.map(() => []);
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, subject] of subjects.entries()) {
      const { ns, units } = await subject.run(batches[index]!);
      series[index]!.push(ns / units);
    }
  }
  return series;
}

/** Runs until the compilers have settled and returns how many batches fill a round. */
async function warmUp(subject: Subject, { warmMs, roundMs }: InterleaveOptions): Promise<number> {
  await subject.run(0); // loads and boots
  let batches = 1;
  let spent = 0;
  for (;;) {
    // By the wall clock: what a subject does outside its timed part counts too.
    const started = performance.now();
    await subject.run(batches);
    const ms = performance.now() - started;
    spent += ms;
    if (spent >= warmMs) return Math.max(1, Math.round((batches * roundMs) / Math.max(ms, 1e-3)));
    if (ms < roundMs) batches *= 2;
  }
}
