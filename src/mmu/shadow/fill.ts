/** The hot loop of the program: 512 entries and as many rmap heads for every 2 MiB page that is split. */

/**
 * Fills entries and rmap heads from the given words on as long as both are empty, which is nearly always up to
 * `endHead`. Entry k is (lo | offset + k * step, hi); a head gets the sptep shifted left by one, the word of the entry.
 * @returns entries filled
 */
export type FillEmpty = (
  firstWord: number,
  firstHead: number,
  endHead: number,
  lo: number,
  hi: number,
  firstOffset: number,
  step: number,
) => number;

/**
 * Makes the loop for one memory. As a closure over `w`, made once per thread, it lets the compiler take the array's
 * address and length for constants: a third off the time of a split (bench/). `| 0` says 32-bit integer throughout.
 */
export function makeFillEmpty(w: Int32Array): FillEmpty {
  return (firstWord, firstHead, endHead, lo, hi, firstOffset, step) => {
    const end = endHead | 0;
    const low = lo | 0;
    const high = hi | 0;
    const add = step | 0;
    let head = firstHead | 0;
    let word = firstWord | 0;
    let offset = firstOffset | 0;
    for (; head < end && (w[word]! | w[head]!) === 0; head = (head + 1) | 0) {
      w[word] = low | offset;
      w[(word + 1) | 0] = high;
      w[head] = word;
      word = (word + 2) | 0;
      offset = (offset + add) | 0;
    }
    return (head - firstHead) | 0;
  };
}
