/** Bits of the 64-gfn words in which KVM works on the dirty log (kernel-facts 2.8). */

/** gfns in one word of the bitmap (BITS_PER_LONG). */
export const BITS_PER_LONG = 64;

/** The lowest `bits` bits of a 32-bit half; all of them from 32 up, none from 0 down. */
export const lowBits = (bits: number): number => (bits >= 32 ? -1 : bits <= 0 ? 0 : (1 << bits) - 1);

const ctz = (value: number): number => 31 - Math.clz32(value & -value);

/** __ffs() of the word (lo, hi), which is not 0. */
export const firstBit = (lo: number, hi: number): number => (lo !== 0 ? ctz(lo) : 32 + ctz(hi));
/** __fls() of the word (lo, hi), which is not 0. */
export const lastBit = (lo: number, hi: number): number =>
  hi !== 0 ? 63 - Math.clz32(hi) : 31 - Math.clz32(lo);

/** True if bit 0 to 63 of the word is set. */
export const hasBit = (lo: number, hi: number, bit: number): boolean =>
  ((bit < 32 ? lo : hi) & (1 << (bit & 31))) !== 0;

/** Number of bits set in a 32-bit half. */
export function popcount(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
