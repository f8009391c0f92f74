import { describe, expect, it } from 'vitest';
import { doneForNothing } from '../../src/check/steps-cost.ts';
import { nxMarksDecide } from '../../src/check/steps-nx.ts';
import type { StepCheckFamily } from '../../src/check/types.ts';
import { HELD_MMU_WRITE } from '../../src/cpu/cpu.ts';
import { KVM_MEM_LOG_DIRTY_PAGES } from '../../src/mmu/memslot.ts';
import { accountHugeNxPage } from '../../src/mmu/nx-list.ts';
import { spGfn } from '../../src/mmu/shadow-page.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { activePages, Bench, identity, machineOf } from '../support/machines.ts';

function scene(family: StepCheckFamily, variant = 'p1') {
  const { kvm, cpu } = new Bench(
    machineOf(identity(2), { backing: '2m' }),
    engineOf([findVariant(variant)!]),
  );
  const found: string[] = [];
  const check = family.make(kvm, (_cpu, id) => found.push(id));
  check.begin(kvm);
  return { kvm, cpu, check, taken: (): string[] => found.splice(0) };
}

describe('what is done for nothing', () => {
  it('an allocation under the lock breaks D14 in an engine that says it makes none (B-57)', () => {
    for (const [variant, ids] of [
      ['p1', []],
      ['tdp-alloc-6.11', ['D14']],
    ] as const) {
      const { cpu, check, taken } = scene(doneForNothing, variant);
      check.allocatedUnderLock(cpu);
      expect(taken()).toEqual(ids);
    }
  });

  it('a walk that goes on over two leaves without a bit breaks D14 (B-58)', () => {
    const { cpu, check, taken } = scene(doneForNothing);
    check.maskedWalk(cpu, 0b101, 1);
    for (const bit of [0, 1, 2, 3, 32, 33]) check.maskedLeaf(cpu, bit, 1);
    expect(taken()).toEqual([]);
    check.maskedLeaf(cpu, 34, 1);
    expect(taken()).toEqual(['D14']);
  });

  it('a flush at log-off with nothing changed before it breaks D24 under the write lock (B-23)', () => {
    const { cpu, check, taken } = scene(doneForNothing);
    check.flush(cpu, 'log-off', 0, 0);
    expect(taken()).toEqual([]);
    cpu.held |= HELD_MMU_WRITE;
    check.spteChanged(cpu, 0, 0, 0, 0, 0);
    check.flush(cpu, 'log-off', 0, 0);
    expect(taken()).toEqual([]);
    check.flush(cpu, 'zap', 0, 0);
    expect(taken()).toEqual([]);
    check.flush(cpu, 'log-off', 0, 0);
    expect(taken()).toEqual(['D24']);
  });
});

describe('the marks of the NX mitigation since 6.2', () => {
  it('a table without the mark that forbids a huge page breaks Q33; P1 says nothing about it (B-43)', () => {
    const { kvm, cpu, check, taken } = scene(nxMarksDecide, 'nx-6.2');
    const sp = activePages(kvm)[0]!;
    check.hugeForbidden(cpu, sp);
    expect(taken()).toEqual(['Q33']);
    accountHugeNxPage(kvm, cpu, sp);
    check.hugeForbidden(cpu, sp);
    expect(taken()).toEqual([]);
    const old = scene(nxMarksDecide);
    old.check.hugeForbidden(old.cpu, sp);
    expect(old.taken()).toEqual([]);
  });

  it('recovery of a page in a logged slot breaks Q33 (B-59)', () => {
    const { kvm, cpu, check, taken } = scene(nxMarksDecide, 'nx-6.2');
    const sp = activePages(kvm).find((page) => kvm.slotOf(spGfn(kvm, page)) !== undefined)!;
    check.nxRecovers(cpu, sp);
    expect(taken()).toEqual([]);
    kvm.arena.put(kvm.slotOf(spGfn(kvm, sp))!.flagsWord, KVM_MEM_LOG_DIRTY_PAGES);
    check.nxRecovers(cpu, sp);
    expect(taken()).toEqual(['Q33']);
  });
});
