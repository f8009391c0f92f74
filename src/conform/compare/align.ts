/**
 * Aligns two sequences: Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy form with the
 * frontiers kept for the way back. Beyond `MAX_EDITS` it pairs by position instead.
 */

/** A stretch in which the two differ: `a` from aStart up to aEnd (exclusive) stands against that of `b`. */
export interface Hunk {
  readonly aStart: number;
  readonly aEnd: number;
  readonly bStart: number;
  readonly bEnd: number;
}

const MAX_EDITS = 1500;

/** Matched pairs of a[aFrom..aTo), b[bFrom..bTo); undefined: too many edits. */
function matches(
  a: readonly string[],
  b: readonly string[],
  { aStart, aEnd, bStart, bEnd }: Hunk,
): ReadonlyArray<readonly [number, number]> | undefined {
  const n = aEnd - aStart;
  const m = bEnd - bStart;
  const frontiers: Int32Array[] = [];
  let edits = -1;
  const limit = Math.min(MAX_EDITS, n + m);
  const offset = limit + 1;
  const frontier = new Int32Array(2 * offset + 1);
  search: for (let d = 0; d <= limit; d++) {
    frontiers.push(frontier.slice(offset - d - 1, offset + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && frontier[offset + k - 1]! < frontier[offset + k + 1]!);
      let x = down ? frontier[offset + k + 1]! : frontier[offset + k - 1]! + 1;
      while (x < n && x - k < m && a[aStart + x] === b[bStart + x - k]) x++;
      frontier[offset + k] = x;
      if (x >= n && x - k >= m) {
        edits = d;
        break search;
      }
    }
  }
  if (edits < 0) return undefined;
  const pairs: Array<readonly [number, number]> = [];
  let x = n;
  let y = m;
  for (let d = edits; d >= 0; d--) {
    const before = frontiers[d]!;
    const at = (k: number): number => before[k + d + 1]!;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const from = d === 0 ? 0 : down ? at(k + 1) : at(k - 1) + 1;
    while (x > from) {
      x--;
      y--;
      pairs.push([aStart + x, bStart + y]);
    }
    if (d > 0 && down) y--;
    else if (d > 0) x--;
  }
  return pairs.toReversed();
}

/** The stretches that differ, in order. */
export function align(a: readonly string[], b: readonly string[]): readonly Hunk[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end])
    end++;
  const whole: Hunk = { aStart: start, aEnd: a.length - end, bStart: start, bEnd: b.length - end };
  if (whole.aStart === whole.aEnd && whole.bStart === whole.bEnd) return [];
  const pairs = matches(a, b, whole);
  if (pairs === undefined) return [whole];
  const hunks: Hunk[] = [];
  let aAt = whole.aStart;
  let bAt = whole.bStart;
  for (const [x, y] of [...pairs, [whole.aEnd, whole.bEnd] as const]) {
    if (x > aAt || y > bAt) hunks.push({ aStart: aAt, aEnd: x, bStart: bAt, bEnd: y });
    aAt = x + 1;
    bAt = y + 1;
  }
  return hunks;
}
