/** Clearing D bits of shadow leaves where logging goes by them (kernel-facts 3.1, Q45). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { isWritable, SPTE_AD_MASK_HI, SPTE_W } from '../format.ts';
import type { Kvm } from '../kvm.ts';
import { RmapIterator } from '../pte-list.ts';
import { mmuSpteUpdate } from '../rmap.ts';
import { adNeedWriteProtect } from '../spte.ts';

/**
 * __rmap_clear_dirty(): every SPTE of one head loses D, or W if hardware does not log its D (WRPROT_ONLY, or no D bit).
 * @returns true if a flush is needed
 */
export function* rmapClearDirty(kvm: Kvm, cpu: Cpu, head: number): Steps<boolean> {
  if (kvm.w[head] === 0) return false;
  const f = kvm.format;
  const iterator = new RmapIterator();
  let flush = false;
  for (let sptep = iterator.first(kvm, head, cpu.mmuReleases); sptep !== 0; sptep = iterator.next(kvm)) {
    const word = sptep * 2;
    if (adNeedWriteProtect(kvm.arena.bits(word + 1, SPTE_AD_MASK_HI))) {
      // spte_wrprot_for_clear_dirty(): one atomic bit, so that a D set meanwhile stays.
      kvm.assertMmuWrite(cpu, 'an SPTE');
      if (cpu.stepped && cpu.stops(Op.And, word)) yield;
      const old = cpu.and(word, ~SPTE_W);
      if (!isWritable(old)) continue;
      const hi = kvm.w[word + 1]!;
      kvm.engine.hostPageInherits(kvm, cpu, sptep, old, hi, old & ~SPTE_W, hi);
      kvm.observer.spteChanged(cpu, sptep, old, hi, old & ~SPTE_W, hi);
      flush = true;
      continue;
    }
    if (cpu.stepped && cpu.stops(Op.Load64, word)) yield;
    cpu.load64(sptep);
    const { lo, hi } = cpu;
    if ((lo & f.dirtyLo) === 0) continue;
    if (cpu.stepped && cpu.stops(Op.Exchange64, word)) yield;
    if (mmuSpteUpdate(kvm, cpu, sptep, lo & ~f.dirtyLo, hi)) flush = true;
  }
  return flush;
}
