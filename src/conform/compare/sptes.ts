/** SPTEs in words that do not depend on where the host put things. */
import { bitsOf, isPresent, pfnOf } from '../spte-text.ts';
import { UNKNOWN_GFN, type HostMap } from './host-map.ts';

const PS = 0x80n;
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'P'],
  [1, 'W'],
  [2, 'U'],
  [5, 'A'],
  [6, 'D'],
  [7, 'PS'],
  [9, 'HW'],
  [10, 'MW'],
  [63, 'NX'],
]);
/** The bit that says "present" to KVM; `nonpresent` is said instead if it is missing. */
const MMU_PRESENT_BIT = 11;

const cache = new Map<bigint, string>();

/** Names of the bits that are set, also of those that no SPTE of these machines should have. */
export function bitNames(spte: bigint): string {
  const bits = bitsOf(spte);
  let text = cache.get(bits);
  if (text === undefined) {
    const names: string[] = [];
    for (let bit = 0; bit < 64; bit++)
      if (((bits >> BigInt(bit)) & 1n) !== 0n && bit !== MMU_PRESENT_BIT)
        names.push(NAMES.get(bit) ?? `bit${bit}`);
    text = names.join(' ');
    cache.set(bits, text);
  }
  return text;
}

export const isLeafAt = (spte: bigint, level: number): boolean => level === 1 || (spte & PS) !== 0n;

/** A leaf as `gfn 262144 P W U`, its page named by what the guest calls it. */
export function leafText(spte: bigint, host: HostMap): string {
  const gfn = host.gfnOf(Number(pfnOf(spte)));
  return `${gfn === UNKNOWN_GFN ? `no page of the guest (pfn ${pfnOf(spte).toString(16)})` : `gfn ${gfn}`} ${bitNames(spte)}`;
}

/** Any SPTE of the trace. The table under a table entry follows from its place, so only its bits are said. */
export function spteText(hex: string, level: number, host: HostMap): string {
  const spte = BigInt(`0x${hex}`);
  if (spte === 0n) return 'none';
  if (!isPresent(spte)) return `nonpresent ${hex}`;
  return isLeafAt(spte, level) ? leafText(spte, host) : `table ${bitNames(spte)}`;
}
