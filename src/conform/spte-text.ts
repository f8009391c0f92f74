/** An SPTE of a recording (NPT format, kernel-facts 2.6) as people read it. */
const BITS: ReadonlyArray<readonly [bit: bigint, name: string]> = [
  [0n, 'P'],
  [1n, 'W'],
  [2n, 'U'],
  [5n, 'A'],
  [6n, 'D'],
  [7n, 'PS'],
  [9n, 'HW'],
  [10n, 'MW'],
  [63n, 'NX'],
];
const PFN_SHIFT = 12n;
const PFN_MASK = (1n << 40n) - 1n;

export const pfnOf = (spte: bigint): bigint => (spte >> PFN_SHIFT) & PFN_MASK;
/** All but the pfn. */
export const bitsOf = (spte: bigint): bigint => spte & ~(PFN_MASK << PFN_SHIFT);

/** The MMU-present bit. */
export const isPresent = (spte: bigint): boolean => (spte & 0x800n) !== 0n;

/** As the recordings decode it: `pfn=12f000 P W U A D PS HW MW NX`; 0 is `0`. */
export function describeSpte(spte: bigint): string {
  if (spte === 0n) return '0';
  if (!isPresent(spte)) return 'nonpresent';
  const names = BITS.filter(([bit]) => ((spte >> bit) & 1n) !== 0n).map(([, name]) => name);
  return [`pfn=${pfnOf(spte).toString(16)}`, ...names].join(' ');
}

export const describeHex = (spte: string): string => describeSpte(BigInt(`0x${spte}`));
