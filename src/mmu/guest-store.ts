/** A store of L1 to an entry of its nested tables, by hardware or by the emulator. */
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Vcpu } from './vcpu.ts';

/**
 * Makes the store that `vcpu.store` describes, if the instruction at hand is one; the caller counts the page's version up,
 * which is what a migration copies.
 * @returns the index of the entry, or -1 if the instruction is no such store
 */
export function* storeGuestPte(vcpu: Vcpu, gfn: number): Steps<number> {
  const { kvm, cpu, store } = vcpu;
  const { q, hi, keepsAd } = store;
  let { lo } = store;
  if (q === 0) return -1;
  if (keepsAd) {
    const ad = kvm.format.accessedLo | kvm.format.dirtyLo;
    let done = false;
    while (!done) {
      if (cpu.stepped && cpu.stops(Op.Load64, q * 2)) yield;
      cpu.load64(q);
      const { lo: oldLo, hi: oldHi } = cpu;
      lo = (store.lo & ~ad) | (oldLo & ad);
      if (cpu.stepped && cpu.stops(Op.CompareExchange64, q * 2)) yield;
      done = cpu.compareExchange64(q, oldLo, oldHi, lo, hi);
    }
  } else {
    if (cpu.stepped && cpu.stops(Op.Exchange64, q * 2)) yield;
    cpu.exchange64(q, lo, hi);
  }
  kvm.observer.guestPte(cpu, gfn, q, lo, hi);
  cpu.count(C.l1Writes);
  return (q - kvm.guestTablesQ) & (kvm.entries - 1);
}
