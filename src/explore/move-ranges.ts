/** Numbers of moves as ranges: what tokens, schedule files and explanations say of them. */

export interface MoveRange {
  readonly from: number;
  /** The last one. */
  readonly to: number;
}

/** @param moves numbers in increasing order */
export function rangesOf(moves: readonly number[]): MoveRange[] {
  const ranges: { from: number; to: number }[] = [];
  for (const move of moves) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to === move - 1) last.to = move;
    else ranges.push({ from: move, to: move });
  }
  return ranges;
}

export const numbersOf = (ranges: readonly MoveRange[]): number[] =>
  ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));

/** `0-3,5`; empty if there is none. */
export const rangesText = (moves: readonly number[], between = ','): string =>
  rangesOf(moves)
    .map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`))
    .join(between);
