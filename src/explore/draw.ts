/** Draws that several strategies need, from their own stream. */
import type { Rng } from '../cpu/random.ts';

/** `count` distinct integers of [from, to), in no order; fewer if there are not so many (Floyd's algorithm). */
export function drawDistinct(rng: Rng, count: number, from: number, to: number): Set<number> {
  const chosen = new Set<number>();
  const size = Math.max(0, to - from);
  const wanted = Math.min(count, size);
  for (let j = size - wanted; j < size; j++) {
    const candidate = from + rng.below(j + 1);
    chosen.add(chosen.has(candidate) ? from + j : candidate);
  }
  return chosen;
}

/** A random permutation of 0..n-1 (Fisher and Yates, from [i, n)). */
export function permutation(rng: Rng, n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) {
    const j = i + rng.below(n - i);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
