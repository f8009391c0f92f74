/** A machine in which L2 maps, page by page, all of L1's memory, L1's nested tables included. */
import { entryGfn, walkL1, type L1Entry } from '../../../src/actors/l1-tables.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isShadowPresent } from '../../../src/mmu/format.ts';
import { spsWithGptes, sptepOf } from '../../../src/mmu/shadow-page.ts';
import { spteChildSp } from '../../../src/mmu/spte.ts';
import type { Kvm } from '../../../src/mmu/kvm.ts';
import { Bench, machineOf, rootOf, type Given } from '../../support/machines.ts';

export const PAGES = 64;

/** L2 gfn k is L1 gfn base + k, by 4K entries, and nothing is touched yet. */
export function openBench(given: Given = {}, steps: Partial<Engine> = {}): Bench {
  const spec = rootOf(({ base, pages }) => [{ l2Gfn: 0, l1Gfn: base, level: 1, count: pages }], []);
  const machine = machineOf((units) => ({ ...spec(units), tables: 'migrated-slot' }), {
    memory: `${PAGES * 4}K`,
    l1Vcpus: 1,
    tlbBits: 6,
    ...given,
  });
  return new Bench(machine, { ...P1_ENGINE, ...steps });
}

/** The entry of `level` on the way to an L2 page, with the A and D that L1's own software does not go by. */
export function entryOf(kvm: Kvm, l2Gfn: number, level: number): L1Entry {
  const entry = walkL1(kvm, 0, l2Gfn).find((at) => at.level === level)!;
  return { ...entry, lo: kvm.w[entry.q * 2]! };
}

/** The L2 page under which L2 finds the table of `level` on the way to `l2Gfn`. */
export const tablePage = (bench: Bench, l2Gfn: number, level: number): number =>
  entryOf(bench.kvm, l2Gfn, level).tableGfn - bench.slot.baseGfn;

/** L1 changes an entry behind KVM's back, as it does where KVM lets it. */
export function poke({ kvm }: Bench, entry: L1Entry, lo: number, hi = entry.hi): void {
  kvm.arena.put(entry.q * 2, lo);
  kvm.arena.put(entry.q * 2 + 1, hi);
}

/** The SPTE that L2's page is mapped with through the first root, walked as hardware does; 0 lo if there is none. */
export function spteOf(bench: Bench, l2Gfn: number): { readonly lo: number; readonly hi: number } {
  const { kvm } = bench;
  let sp = bench.vcpu().rootSp;
  for (let level = kvm.config.rootLevel; ; level--) {
    const sptep = sptepOf(kvm, sp, (l2Gfn >> ((level - 1) * kvm.tableBits)) & (kvm.entries - 1));
    const lo = kvm.w[sptep * 2]!;
    const hi = kvm.w[sptep * 2 + 1]!;
    if (level === 1 || !isShadowPresent(lo)) return { lo, hi };
    sp = spteChildSp(kvm, lo, hi);
  }
}

/** The shadow pages of the table of `level` on the way to an L2 page. */
export const shadowsOf = (bench: Bench, l2Gfn: number, level: number): number[] =>
  spsWithGptes(bench.kvm, entryOf(bench.kvm, l2Gfn, level).tableGfn);

export { entryGfn };
