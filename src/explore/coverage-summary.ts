/** What a search covered, in figures and in words: behaviours, and the pairs of operations that were seen in one order only. */
import { decodePair, reversePair, type PairKey } from './coverage.ts';
import type { DistinctKeys } from './distinct.ts';

/** Pairs in one order only that are listed by name. */
const MAX_LISTED = 50;

export interface CoverageSummary {
  /** Different happens-before fingerprints. */
  readonly behaviours: {
    readonly distinct: number;
    /** Seen exactly once. */
    readonly once: number;
    /** False if both are estimates. */
    readonly exact: boolean;
    /** Good and Turing's estimate that the next schedule is a new one. */
    readonly nextIsNew: number;
  };
  readonly pairs: {
    /** Unordered pairs of operations of two parties on one word, one of them a write, that followed one another. */
    readonly seen: number;
    /** Of these in both orders. */
    readonly bothOrders: number;
    readonly byKind: readonly { readonly kind: string; readonly seen: number; readonly bothOrders: number }[];
    /** Those in one order only, the first ones by name. */
    readonly oneOrder: readonly {
      readonly kind: string;
      readonly earlier: string;
      readonly later: string;
    }[];
  };
}

export function summarizeCoverage(
  keys: DistinctKeys,
  pairs: ReadonlySet<PairKey>,
  kinds: readonly string[],
  parties: readonly string[],
): CoverageSummary {
  const byKind = new Map<number, { kind: string; seen: number; bothOrders: number }>();
  const oneOrder: { kind: string; earlier: string; later: string }[] = [];
  let seen = 0;
  let bothOrders = 0;
  for (const key of [...pairs].sort((a, b) => a - b)) {
    const reverse = reversePair(key);
    const both = pairs.has(reverse);
    // Each unordered pair once. The same operation of one class is its own reverse.
    if (both && reverse < key) continue;
    const { kind, earlier, later } = decodePair(key);
    const name = kinds[kind]!;
    let row = byKind.get(kind);
    if (row === undefined) byKind.set(kind, (row = { kind: name, seen: 0, bothOrders: 0 }));
    seen++;
    row.seen++;
    if (both) {
      bothOrders++;
      row.bothOrders++;
    } else if (oneOrder.length < MAX_LISTED) {
      const text = (side: { party: number; op: string }): string => `${parties[side.party]} ${side.op}`;
      oneOrder.push({ kind: name, earlier: text(earlier), later: text(later) });
    }
  }
  const rows = [...byKind.values()].sort((a, b) => b.seen - a.seen || (a.kind < b.kind ? -1 : 1));
  return {
    behaviours: {
      distinct: keys.distinct,
      once: keys.singletons,
      exact: keys.exact,
      nextIsNew: keys.unseen,
    },
    pairs: { seen, bothOrders, byKind: rows, oneOrder },
  };
}
