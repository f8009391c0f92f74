// kernel-facts 2.6, A27, B-45: MMIO SPTEs.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rmapCheck } from '../../src/check/rmaps.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { FORMATS, isShadowPresent } from '../../src/mmu/format.ts';
import { hardwarePresent, translate, WALK_MMIO } from '../../src/mmu/hardware.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { createMemslot, deleteMemslot, wrapMmioGeneration } from '../../src/mmu/memslot-change.ts';
import { handleMmioPageFault, setMmioSpte } from '../../src/mmu/mmio.ts';
import { isMmioSpte, makeMmioSpte, mmioSpteGeneration, mmioSpteGfn } from '../../src/mmu/mmio-spte.ts';
import { RET_PF_EMULATE, RET_PF_INVALID, RET_PF_RETRY } from '../../src/mmu/errno.ts';
import { ACCESS_READ } from '../../src/mmu/shadow/walk-addr.ts';
import { Bench, leaves } from '../support/machines.ts';
import { findings } from '../support/q-machine.ts';
import { castMachine } from '../support/vm-wide.ts';

const FORMAT_NAMES = ['ept', 'npt'] as const;

describe('an MMIO SPTE', () => {
  const bench = new Bench(castMachine([]));
  const cpu = new PlainCpu(bench.kvm.arena, new RunLog(), { actor: 0, name: 'tester', cls: 'other' }, false);

  it.each(FORMAT_NAMES)('keeps gfn and generation, and is present for hardware alone (%s)', (name) => {
    const f = FORMATS[name];
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 30 }),
        fc.integer({ min: 0, max: 2 ** 19 - 1 }),
        (gfn, gen) => {
          makeMmioSpte(f, cpu, gfn, gen);
          const { lo, hi } = cpu;
          expect([mmioSpteGfn(lo, hi), mmioSpteGeneration(lo, hi)]).toEqual([gfn, gen]);
          expect([isMmioSpte(f, lo, hi), isShadowPresent(lo)]).toEqual([true, false]);
        },
      ),
    );
  });

  it.each(FORMAT_NAMES)('is told from what else can be in an entry (%s)', (format) => {
    const { kvm } = new Bench(castMachine([], { format }));
    for (const level of [1, 2]) {
      for (const { lo, hi } of leaves(kvm, level)) expect(isMmioSpte(kvm.format, lo, hi)).toBe(false);
    }
    expect(isMmioSpte(kvm.format, 0, 0)).toBe(false);
    expect(isMmioSpte(kvm.format, 0x5a0, 0)).toBe(false);
  });
});

/** A machine whose further slot is gone, and the L2 gfn that leads to it. */
function withoutSlot(engine: Partial<Engine> = {}, format = 'ept'): { bench: Bench; l2Gfn: number } {
  const bench = new Bench(castMachine([], { format, vcpus: 1 }), { ...P1_ENGINE, ...engine });
  const { kvm, cpu } = bench;
  expect(bench.run(deleteMemslot(kvm, cpu, kvm.slots[2]!))).toBe(0);
  return { bench, l2Gfn: kvm.slots[2]!.baseGfn };
}

describe.each(FORMAT_NAMES)('an access to a gfn that no slot has (%s)', (format) => {
  it('leaves an MMIO SPTE, and the next one is emulated without the lock', () => {
    const { bench, l2Gfn } = withoutSlot({}, format);
    expect(bench.touch(l2Gfn, 'read')).toBe(true);
    expect([bench.counter('mmioSptes'), bench.counter('mmioAccesses')]).toEqual([1, 1]);
    const vcpu = bench.vcpu();
    expect(bench.run(translate(vcpu, l2Gfn, ACCESS_READ))).toBe(WALK_MMIO);
    expect(bench.run(handleMmioPageFault(vcpu, l2Gfn))).toBe(RET_PF_EMULATE);
    expect(bench.touch(l2Gfn, 'write')).toBe(true);
    expect([bench.counter('mmioSptes'), bench.counter('mmioAccesses')]).toEqual([1, 3]);
    expect(bench.seen.broke).toEqual([]);
  });

  it('goes to the slot that was created meanwhile', () => {
    const { bench, l2Gfn } = withoutSlot({}, format);
    const { kvm, cpu } = bench;
    bench.touch(l2Gfn, 'write');
    expect(bench.run(createMemslot(kvm, cpu, kvm.slots[2]!))).toBe(0);
    expect(bench.run(handleMmioPageFault(bench.vcpu(), l2Gfn))).toBe(RET_PF_INVALID);
    const word = kvm.layout.memory + kvm.slots[2]!.pfn(l2Gfn);
    const before = kvm.w[word]!;
    bench.touch(l2Gfn, 'write');
    expect(kvm.w[word]! - before).toBe(1);
  });

  it('is lost if the generation is not looked at', () => {
    const { bench, l2Gfn } = withoutSlot({ mmioGenerationMatches: () => true }, format);
    const { kvm, cpu } = bench;
    bench.touch(l2Gfn, 'write');
    bench.run(createMemslot(kvm, cpu, kvm.slots[2]!));
    const word = kvm.layout.memory + kvm.slots[2]!.pfn(l2Gfn);
    const before = kvm.w[word]!;
    bench.touch(l2Gfn, 'write');
    expect(kvm.w[word]! - before).toBe(0);
  });

  it('is retried if its entry went away, and not believed while the memslots change', () => {
    const { bench, l2Gfn } = withoutSlot({}, format);
    const { kvm } = bench;
    expect(bench.run(handleMmioPageFault(bench.vcpu(), l2Gfn))).toBe(RET_PF_RETRY);
    bench.touch(l2Gfn, 'read');
    kvm.put(KVM.slotsGen, kvm.get(KVM.slotsGen) | -0x80000000);
    expect(bench.run(handleMmioPageFault(bench.vcpu(), l2Gfn))).toBe(RET_PF_INVALID);
  });

  it('finds nothing of the round before when generations start over (A27)', () => {
    const { bench, l2Gfn } = withoutSlot({}, format);
    const { kvm, cpu } = bench;
    bench.touch(l2Gfn, 'read');
    const zaps = bench.counter('zapAlls');
    bench.run(wrapMmioGeneration(kvm, cpu));
    expect(bench.counter('zapAlls')).toBe(zaps + 1);
    expect(kvm.get(KVM.slotsGen) & ((1 << kvm.config.mmioGenBits) - 1)).toBe(0);
    expect(bench.touch(l2Gfn, 'read')).toBe(true);
    expect(bench.counter('mmioSptes')).toBe(2);
  });
});

describe('an MMIO SPTE over a present one (B-45)', () => {
  const over = (engine: Partial<Engine>): Bench => {
    const bench = new Bench(castMachine([], { backing: '4k' }), { ...P1_ENGINE, ...engine });
    const { kvm, cpu } = bench;
    const leaf = leaves(kvm, 1)[0]!;
    bench.run(kvm.writeLock(cpu));
    expect(bench.run(setMmioSpte(kvm, cpu, leaf.sptep, bench.slot.baseGfn))).toBe(RET_PF_EMULATE);
    bench.run(kvm.writeUnlock(cpu));
    expect(hardwarePresent(kvm, kvm.w[leaf.sptep * 2]!)).toBe(true);
    return bench;
  };

  it('takes it out of its reverse map first, and flushes', () => {
    const bench = over({});
    expect(findings(bench.kvm, [rmapCheck])).toEqual([]);
    expect(bench.seen.flushes.map(({ reason }) => reason)).toEqual(['fault']);
  });

  it('leaves a reverse map that leads nowhere if it does not', () => {
    const bench = over({
      *mmioOverPresent() {
        return false;
      },
    });
    expect(findings(bench.kvm, [rmapCheck]).length).toBeGreaterThan(0);
  });
});
