/** What makes two failures of a machine the same: the same check on the same kind of place. */
import type { Signature } from '../explore/shrink.ts';
import { briefWord } from '../mmu/describe.ts';
import type { Kvm } from '../mmu/kvm.ts';

/** The id and the name of the first word without its numbers. */
export function signatureOf(kvm: Kvm): Signature {
  return ({ id, words }) => {
    const place = words[0] === undefined ? '' : briefWord(kvm, words[0]);
    return `${id} ${place.replaceAll(/0x[0-9a-f]+|\d+/g, '#')}`;
  };
}
