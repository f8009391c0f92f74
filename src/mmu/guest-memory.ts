/** The last part of a guest's access: the word of the page, by the frame that the translation led to (D7). */
import { frameWord, isPoisoned } from './host/frames.ts';
import type { Vcpu } from './vcpu.ts';
import { ROOT_L1 } from './vcpu-words.ts';

/**
 * Reads the version of the page in frame `pfn`, or with `write` moves it on; the caller has announced Load or Add of
 * `frameWord`. `gfn` is L1's or L2's, as the vCPU's root says. A frame that the host has given up must be out of reach.
 */
export function accessGuestMemory(vcpu: Vcpu, gfn: number, pfn: number, write: boolean): void {
  const { kvm, cpu } = vcpu;
  const word = frameWord(kvm, pfn);
  kvm.observer.guestAccess(cpu, vcpu.index, pfn, write);
  const content = write ? cpu.add(word, 1) : cpu.load(word);
  if (isPoisoned(content)) reportPoison(vcpu, gfn, pfn, write);
}

function reportPoison(vcpu: Vcpu, gfn: number, pfn: number, write: boolean): void {
  const { kvm, cpu } = vcpu;
  const whose = vcpu.rootIndex === ROOT_L1 ? 'L1' : 'L2';
  kvm.observer.broken(cpu, {
    id: 'D7',
    text:
      `${cpu.name} ${write ? 'writes' : 'reads'} ${whose} gfn 0x${gfn.toString(16)} in frame 0x${pfn.toString(16)}, ` +
      'which the host has taken away and freed',
    words: [frameWord(kvm, pfn)],
  });
}
