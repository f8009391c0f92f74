// A flush backend that takes ranges: what a range drops, by which address, and that none is lost between flushers.
import { describe, expect, it } from 'vitest';
import type { Steps } from '../../src/cpu/steps.ts';
import { makeAllCpusRequest, flushRemoteTlbs } from '../../src/mmu/flush.ts';
import { publishRange, serveRanges, tlbRangePending } from '../../src/mmu/flush-range.ts';
import { tlbEntries } from '../../src/mmu/tlb.ts';
import { enterGuest, exitGuest, Vcpu } from '../../src/mmu/vcpu.ts';
import { RANGE_SLOTS, REQ_TLB_FLUSH, REQ_TLB_FLUSH_RANGE, VCPU } from '../../src/mmu/vcpu-words.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import type { PlainCpu } from '../../src/cpu/plain-cpu.ts';
import { Bench, machineOf, rootOf } from '../support/machines.ts';
import { Program } from '../support/programs.ts';

/** Two 2M pages of L1, seen by L2 in the opposite order: L2 gfn 0 is L1's second page. */
const swapped = (flushBackend: string, given = {}): Bench => {
  const bench = new Bench(
    machineOf(
      rootOf(({ base, huge2 }) => [
        { l2Gfn: 0, l1Gfn: base + huge2, level: 2, count: 1 },
        { l2Gfn: base + huge2, l1Gfn: base, level: 2, count: 1 },
      ]),
      { backing: '2m', flushBackend, vcpus: 1, ...given },
    ),
  );
  bench.touch(0, 'write');
  bench.touch(bench.slot.baseGfn + 4, 'write');
  return bench;
};
const cached = (bench: Bench): number[] => tlbEntries(bench.kvm, 0).map(({ l2Gfn }) => l2Gfn);
const requests = (bench: Bench): number => bench.kvm.w[bench.kvm.vcpuWord(0) + VCPU.requests]!;
const flush = (bench: Bench, gfn: number, pages: number): void => {
  bench.run(flushRemoteTlbs(bench.kvm, bench.cpu, 'fault', gfn, pages));
  bench.run(enterGuest(bench.vcpu()));
};

describe('a flush with a range', () => {
  it('is a full one on bare metal', () => {
    const bench = swapped('full');
    expect(cached(bench)).toEqual([0, 36]);
    bench.run(flushRemoteTlbs(bench.kvm, bench.cpu, 'fault', 0, 1));
    expect(requests(bench)).toBe(REQ_TLB_FLUSH);
    bench.run(enterGuest(bench.vcpu()));
    expect([cached(bench), bench.counter('flushRanges')]).toEqual([[], 0]);
  });

  it.each([
    ['range-l2', 0],
    ['range-l1', 36],
  ])('in %s leaves what is not in it', (backend, dropped) => {
    const bench = swapped(backend);
    // L1's second 2M page: behind L2 gfn 0, and at the address of the other entry.
    flush(bench, bench.slot.baseGfn + 4, 4);
    expect(cached(bench)).toEqual([0, 36].filter((gfn) => gfn !== dropped));
    expect(bench.counter('flushRanges')).toBe(1);
  });

  it.each([
    [-1, 1, 2],
    [-1, 2, 1],
    [3, 1, 1],
    [4, 1, 1],
    [8, 1, 2],
    [0, 8, 0],
  ])('of gfns %i + %i drops every entry with a page in it: %i are left', (offset, pages, left) => {
    const bench = swapped('range-l2');
    flush(bench, bench.slot.baseGfn + offset, pages);
    expect(cached(bench)).toHaveLength(left);
  });

  it('of everything is a full flush', () => {
    const bench = swapped('range-l2');
    flush(bench, 0, 0);
    expect(cached(bench)).toEqual([]);
  });

  it('is pending for an entry until the vCPU has served it, and for no other', () => {
    const bench = swapped('range-l2');
    const { kvm, cpu, slot } = bench;
    const pending = (): boolean[] =>
      tlbEntries(kvm, 0).map(({ word, level }) => tlbRangePending(kvm, 0, word, level));
    bench.run(publishRange(kvm, cpu, 0, slot.baseGfn, 4));
    expect(pending()).toEqual([false, true]);
    bench.run(serveRanges(bench.vcpu()));
    expect(pending()).toEqual([false]);
  });
});

describe('the slots of a vCPU', () => {
  it('hold so many ranges; the next one is a full flush', () => {
    const bench = swapped('range-l2');
    const { kvm, cpu } = bench;
    const made = Array.from({ length: RANGE_SLOTS + 1 }, (_, k) =>
      bench.run(publishRange(kvm, cpu, 0, 1000 + k, 1)),
    );
    expect(made).toEqual([...Array<number>(RANGE_SLOTS).fill(REQ_TLB_FLUSH_RANGE), REQ_TLB_FLUSH]);
    expect(bench.counter('flushRangeOverflows')).toBe(1);
    bench.run(serveRanges(bench.vcpu()));
    expect(bench.run(publishRange(kvm, cpu, 0, 1000, 1))).toBe(REQ_TLB_FLUSH_RANGE);
  });

  it('lose nothing when several flush at once while the vCPU enters, in any order', () => {
    const bench = swapped('range-l2');
    const { kvm, slot } = bench;
    const ranges = [slot.baseGfn, slot.baseGfn + 4];
    let done = 0;
    const lost: string[] = [];
    const look = (when: string): void => {
      for (const { word, level, l2Gfn } of tlbEntries(kvm, 0)) {
        // A vCPU that has taken the request and not yet the range is outside the guest, and takes it next.
        const pending = tlbRangePending(kvm, 0, word, level) || (requests(bench) & REQ_TLB_FLUSH) !== 0;
        if (!pending) lost.push(`${when}: ${l2Gfn}`);
      }
    };
    // Five flushers for four slots: some of them overflow.
    const flushers = [0, 1, 2, 3, 4].map(
      () =>
        function* (cpu: PlainCpu): Steps<void> {
          for (const gfn of ranges) yield* flushRemoteTlbs(kvm, cpu, 'fault', gfn, 4);
          look('a flush has returned');
          done++;
        },
    );
    function* entersAgain(cpu: PlainCpu): Steps<void> {
      const vcpu = new Vcpu(kvm, cpu, 0);
      while (done < flushers.length) {
        yield* enterGuest(vcpu);
        yield* exitGuest(vcpu);
      }
      yield* enterGuest(vcpu);
    }
    const program = new Program(kvm.arena, [...flushers, entersAgain]);
    for (let schedule = 0; schedule < 200; schedule++) {
      done = 0;
      expect(program.run(new RandomWalk(5), schedule).stuck).toEqual([]);
      expect([lost, cached(bench), requests(bench)]).toEqual([[], [], 0]);
    }
  });

  it('do not take part in other requests', () => {
    const bench = swapped('range-l2');
    bench.run(makeAllCpusRequest(bench.kvm, bench.cpu, REQ_TLB_FLUSH));
    expect(requests(bench)).toBe(REQ_TLB_FLUSH);
  });
});
