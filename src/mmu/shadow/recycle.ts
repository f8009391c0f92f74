/** rmap recycling: a head that grew too long is emptied at once (kernel-facts 1.3, 3.7 step 2c, H-A). */
import type { Cpu } from '../../cpu/cpu.ts';
import { Op, type Steps } from '../../cpu/steps.ts';
import { flushRemoteTlbs } from '../flush.ts';
import type { Kvm } from '../kvm.ts';
import type { MemSlot } from '../memslot.ts';
import { RmapIterator } from '../pte-list.ts';
import { dropLeaf } from '../rmap.ts';

/** Drops every SPTE of one head; true if there was one. */
export function* zapRmap(kvm: Kvm, cpu: Cpu, head: number): Steps<boolean> {
  const iterator = new RmapIterator();
  let any = false;
  for (;;) {
    const sptep = iterator.first(kvm, head, cpu.mmuReleases);
    if (sptep === 0) return any;
    if (cpu.stepped && cpu.stops(Op.Exchange64, sptep * 2)) yield;
    yield* dropLeaf(kvm, cpu, sptep);
    any = true;
  }
}

/** Zaps the head of `gfn` at `level`, with the newest entry, which is in the page `sp`, and flushes at once. */
export function* recycleRmap(
  kvm: Kvm,
  cpu: Cpu,
  slot: MemSlot,
  sp: number,
  gfn: number,
  level: number,
): Steps<void> {
  yield* zapRmap(kvm, cpu, slot.rmapWord(gfn, level));
  kvm.observer.rmapRecycled(cpu, gfn, level);
  yield* flushRemoteTlbs(kvm, cpu, 'recycle', kvm.engine.recycleFlushGfn(kvm, sp, gfn), kvm.pages(level));
}
