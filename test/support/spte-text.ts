/** 64-bit entries as text, as recordings show them. */

/** The value in hexadecimal, without leading zeros. */
export const hex = (lo: number, hi: number): string =>
  ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);

/** The halves of a value. */
export function halves(text: string): readonly [lo: number, hi: number] {
  const value = BigInt(`0x${text}`);
  return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
}
