/**
 * ddmin (Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002): the smallest part of a list that
 * still fails, up to leaving out any one element. Complements are tried first, as most of a schedule does not matter.
 */

/**
 * @param fails runs a candidate; returns what of it was really used, or undefined if it passes
 * @returns a list from which no single element can be left out
 */
export function ddmin<T>(
  list: readonly T[],
  fails: (candidate: readonly T[]) => readonly T[] | undefined,
): readonly T[] {
  let current = list;
  let parts = 2;
  while (current.length >= 1) {
    const size = Math.ceil(current.length / parts);
    let smaller: readonly T[] | undefined;
    for (let from = 0; from < current.length && smaller === undefined; from += size) {
      const complement = [...current.slice(0, from), ...current.slice(from + size)];
      smaller = fails(complement);
      if (smaller !== undefined && smaller.length >= current.length) smaller = undefined;
    }
    if (smaller === undefined && parts < current.length) {
      for (let from = 0; from < current.length && smaller === undefined; from += size) {
        const subset = current.slice(from, from + size);
        if (subset.length < current.length) smaller = fails(subset);
        if (smaller !== undefined && smaller.length >= current.length) smaller = undefined;
      }
    }
    if (smaller !== undefined) {
      current = smaller;
      parts = Math.max(2, parts - 1);
      continue;
    }
    if (parts >= current.length) break;
    parts = Math.min(current.length, parts * 2);
  }
  return current;
}
