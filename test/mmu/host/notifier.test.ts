// kernel-facts 5.4, A9, A10, 10.4, Q52, B-39: the words of an invalidation, and what start and end do.
import { describe, expect, it } from 'vitest';
import { Op } from '../../../src/cpu/steps.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { isInvalidated, type HostFault } from '../../../src/mmu/host/faultin.ts';
import {
  invalidateRangeEnd,
  invalidateRangeStart,
  mmuInvalidateBegin,
  mmuInvalidateEnd,
  mmuInvalidateRetry,
} from '../../../src/mmu/host/notifier.ts';
import { hostRange, mappedAround } from '../../../src/mmu/host/range.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { MEMSLOT_GONE } from '../../../src/mmu/memslot.ts';
import { buildMachine } from '../../../src/scenario/build.ts';
import { defineScenario } from '../../../src/scenario/define.ts';
import { hostMachine } from '../../support/host.ts';
import { Bench, identity, leaves, type Given } from '../../support/machines.ts';
import { Stage } from '../../support/programs.ts';

const bench = (given: Given = {}, engine: Engine = P1_ENGINE): Bench =>
  new Bench(hostMachine([{ kind: 'mmu-notifier' }], given), engine);
const words = ({ kvm }: Bench): number[] =>
  [KVM.invalidateInProgress, KVM.invalidateSeq, KVM.activeInvalidates, KVM.invalidatesEnded].map((word) =>
    kvm.get(word),
  );

describe('start and end', () => {
  it('count what runs, and the sequence moves at the end', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const range = hostRange(kvm, slot, slot.baseGfn, slot.baseGfn + 1);
    b.run(invalidateRangeStart(kvm, cpu, range));
    expect(words(b)).toEqual([1, 0, 1, 0]);
    b.run(invalidateRangeStart(kvm, cpu, range));
    expect(words(b)).toEqual([2, 0, 2, 0]);
    b.run(invalidateRangeEnd(kvm, cpu, range));
    expect(words(b)).toEqual([1, 1, 1, 1]);
    b.run(invalidateRangeEnd(kvm, cpu, range));
    expect(words(b)).toEqual([0, 2, 0, 2]);
  });

  it('unmap every level, and flush only if something was mapped', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const mapped = leaves(kvm, 2).length;
    const range = hostRange(kvm, slot, slot.baseGfn + 1, slot.baseGfn + 2);
    b.run(invalidateRangeStart(kvm, cpu, range));
    expect(leaves(kvm, 2).length).toBe(mapped - 1);
    expect(b.seen.flushes).toEqual([{ reason: 'notifier', gfn: slot.baseGfn + 1, pages: 1 }]);
    b.run(invalidateRangeStart(kvm, cpu, range));
    expect(b.seen.flushes.length).toBe(1);
  });

  it('tell the observer in this order, and that it is unmapped after the flush', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const seen: string[] = [];
    b.seen.invalidate = (_cpu, start, end, phase) =>
      seen.push(`${phase} ${start - slot.baseGfn}-${end - slot.baseGfn}`);
    b.seen.flush = () => seen.push('flush');
    const range = hostRange(kvm, slot, slot.baseGfn, slot.baseGfn + 4);
    b.run(invalidateRangeStart(kvm, cpu, range));
    b.run(invalidateRangeEnd(kvm, cpu, range));
    expect(seen).toEqual(['begin 0-4', 'flush', 'unmapped 0-4', 'end 0-4']);
  });

  it('leave a slot alone that does not exist', () => {
    const b = bench();
    const { kvm, cpu, slot } = b;
    const mapped = leaves(kvm, 2).length;
    kvm.arena.put(slot.flagsWord, MEMSLOT_GONE);
    b.run(invalidateRangeStart(kvm, cpu, hostRange(kvm, slot, slot.baseGfn, slot.baseGfn + 4)));
    expect(leaves(kvm, 2).length).toBe(mapped);
  });

  it('write the sequence before the count (10.4)', () => {
    const b = bench();
    const { kvm } = b;
    const ops: number[][] = [];
    const stage = new Stage(kvm.arena, [
      function* (cpu) {
        yield* kvm.writeLock(cpu);
        yield* mmuInvalidateBegin(kvm, cpu, 0, 1);
        yield* mmuInvalidateEnd(kvm, cpu, 0, 1);
        yield* kvm.writeUnlock(cpu);
      },
    ]);
    const watched = [KVM.invalidateSeq, KVM.invalidateInProgress].map((word) => kvm.base + word);
    stage.log.listener = {
      operation: (_cpu, op, word) => {
        if (watched.includes(word)) ops.push([op, watched.indexOf(word)]);
      },
    };
    stage.finish(0);
    expect(ops).toEqual([
      [Op.Add, 1],
      [Op.Store, 0],
      [Op.Add, 1],
    ]);
  });
});

describe('the range', () => {
  it('grows to hold all invalidations that run, and is forgotten with the last', () => {
    const b = bench();
    const { kvm, cpu } = b;
    const range = (): number[] => [kvm.get(KVM.invalidateStart), kvm.get(KVM.invalidateEnd)];
    b.run(mmuInvalidateBegin(kvm, cpu, 10, 12));
    expect(range()).toEqual([10, 12]);
    b.run(mmuInvalidateBegin(kvm, cpu, 4, 5));
    expect(range()).toEqual([4, 12]);
    kvm.put(KVM.invalidateInProgress, 0);
    b.run(mmuInvalidateBegin(kvm, cpu, 20, 21));
    expect(range()).toEqual([20, 21]);
  });

  it('covers every slot that shows the memory, and their host mappings are one', () => {
    const scenario = defineScenario({
      name: 'twins',
      summary: 'two slots of one memory',
      about: '',
      facts: [],
      machine: (_p, units) => ({
        ...identity(2, [])(units),
        cast: [{ kind: 'mmu-notifier' }],
        extraSlots: [{ pages: units.pages, sharesMemoryOf: 1, gone: true }],
      }),
    });
    const b = new Bench(buildMachine(scenario, 'explore', { backing: '2m' }));
    const { kvm } = b;
    const [, one, two] = kvm.slots;
    const range = hostRange(kvm, one!, one!.baseGfn + 3, one!.baseGfn + 4);
    expect(range).toMatchObject({ start: one!.baseGfn + 3, end: two!.baseGfn + 4 });
    expect(range.parts.map(({ slot, start }) => [slot, start - slot.baseGfn])).toEqual([
      [one, 3],
      [two, 3],
    ]);
    expect(one!.hostWord(one!.baseGfn + 5)).toBe(two!.hostWord(two!.baseGfn + 5));
    expect(one!.hostBrokenWord(one!.baseGfn + 5, 2)).toBe(two!.hostBrokenWord(two!.baseGfn + 5, 2));
  });

  it('is the whole huge page that the host maps around a page', () => {
    const { kvm, slot } = bench();
    const range = mappedAround(kvm, slot, slot.baseGfn + 5, slot.baseGfn + 6);
    expect([range.start - slot.baseGfn, range.end - slot.baseGfn]).toEqual([4, 8]);
  });
});

describe('the test of a fault', () => {
  const begin = (b: Bench, start: number, end: number): void =>
    b.run(mmuInvalidateBegin(b.kvm, b.cpu, start, end));

  it('fails inside the range of what runs, and passes beside it', () => {
    const b = bench();
    begin(b, 10, 12);
    expect([9, 10, 11, 12].map((gfn) => mmuInvalidateRetry(b.kvm, gfn, 0))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('fails everywhere once one has ended since the page was looked up', () => {
    const b = bench();
    begin(b, 10, 12);
    b.run(mmuInvalidateEnd(b.kvm, b.cpu, 10, 12));
    expect([9, 11].map((gfn) => mmuInvalidateRetry(b.kvm, gfn, 0))).toEqual([true, true]);
    expect(mmuInvalidateRetry(b.kvm, 11, 1)).toBe(false);
  });

  it('is fooled by a sequence of one bit after two invalidations (seqWidthSmall)', () => {
    const b = bench({ seqBits: 1 });
    const retries = [1, 2, 3].map(() => {
      begin(b, 10, 12);
      b.run(mmuInvalidateEnd(b.kvm, b.cpu, 10, 12));
      return mmuInvalidateRetry(b.kvm, 11, 0);
    });
    expect(retries).toEqual([true, false, true]);
  });

  it('never passes again once a truncated sequence has become negative (B-39)', () => {
    const signed = (_kvm: unknown, seq: number): number => ((seq & 2) !== 0 ? seq - 4 : seq);
    const b = bench({ seqBits: 2 }, { ...P1_ENGINE, snapshotSeq: signed });
    const fault = { gfn: 11 } as HostFault;
    const stale = [1, 2, 3].map(() => {
      begin(b, 10, 12);
      b.run(mmuInvalidateEnd(b.kvm, b.cpu, 10, 12));
      fault.seq = b.kvm.get(KVM.invalidateSeq);
      return isInvalidated(b.kvm, b.cpu, fault);
    });
    expect(stale).toEqual([false, true, true]);
    expect(b.counter('staleFaults')).toBe(2);
  });
});
