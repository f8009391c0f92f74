// kernel-facts 5.3, A3, B-20, D18: the conditions of the fast path, one by one.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { RET_PF_FIXED, RET_PF_INVALID, RET_PF_SPURIOUS } from '../../src/mmu/errno.ts';
import { fastPageFault, type FastFault } from '../../src/mmu/fast-page-fault.ts';
import { ACC_EXEC, ACC_WRITE, SPTE_W } from '../../src/mmu/format.ts';
import { markForAccessTrack } from '../../src/mmu/spte.ts';
import { VCPU, ROOT_L1 } from '../../src/mmu/vcpu-words.ts';
import { Vcpu } from '../../src/mmu/vcpu.ts';
import { Stage, twice } from '../support/programs.ts';
import { TdpBench, type MapOptions, type TdpLeaf } from '../support/tdp-machine.ts';
import type { Given } from '../support/machines.ts';

interface Scene {
  readonly level?: number;
  readonly map?: MapOptions;
  readonly change?: (bench: TdpBench, leaf: TdpLeaf) => void;
  readonly fault?: Partial<FastFault>;
  readonly given?: Given;
  readonly engine?: Engine;
}

const isDirty = (bench: TdpBench, page: number): boolean =>
  (bench.kvm.w[bench.slot.layout.dirtyBitmap + (page >> 5)]! & (1 << (page & 31))) !== 0;

/** A write fault on page 1, which a leaf without W maps. */
function play(scene: Scene): { result: number; shape: string[]; dirty: boolean; bench: TdpBench } {
  const bench = new TdpBench(scene.given ?? {}, scene.engine);
  const level = scene.level ?? 1;
  bench.map(level === 1 ? 1 : 0, level, scene.map ?? { write: false });
  const vcpu = bench.vcpu(1);
  bench.kvm.arena.put(vcpu.word(VCPU.root), ROOT_L1);
  scene.change?.(bench, bench.tdpLeaves()[0]!);
  const { slot } = bench;
  const fault: FastFault = {
    gfn: bench.gfn(1),
    access: ACC_WRITE,
    present: true,
    slot,
    logged: true,
    ...scene.fault,
  };
  const result = bench.run(fastPageFault(vcpu, fault));
  return { result, shape: bench.shape, dirty: isDirty(bench, 1), bench };
}

const put = (bench: TdpBench, { sptep }: TdpLeaf, lo: number, hi: number): void => {
  bench.kvm.arena.put(sptep * 2, lo);
  bench.kvm.arena.put(sptep * 2 + 1, hi);
};

describe('the fast path', () => {
  it('makes a leaf writable that was write-protected for logging, and marks the page', () => {
    const { result, shape, dirty, bench } = play({});
    expect([result, shape, dirty]).toEqual([RET_PF_FIXED, ['1:1wda'], true]);
    expect([bench.counter('fastPageFaults'), bench.seen.flushes]).toEqual([1, []]);
  });

  it('marks nothing in a slot that is not logged', () => {
    expect(play({ fault: { logged: false } })).toMatchObject({ result: RET_PF_FIXED, dirty: false });
  });

  it('holds no lock and leaves its read section', () => {
    const { bench } = play({});
    expect([bench.cpu.held, bench.kvm.w[bench.kvm.layout.rcu], bench.cpu.mmuReleases > 0]).toEqual([
      0,
      0,
      true,
    ]);
  });

  it('is for writes that met something present', () => {
    expect(play({ fault: { present: false } }).result).toBe(RET_PF_INVALID);
    expect(play({ fault: { access: ACC_EXEC } }).result).toBe(RET_PF_INVALID);
  });

  it('has nothing to do if the access is allowed by now', () => {
    expect(play({ map: {} })).toMatchObject({ result: RET_PF_SPURIOUS, dirty: false });
  });

  it('leaves an entry alone that is no present leaf', () => {
    expect(play({ change: (bench, leaf) => put(bench, leaf, 0, 0) }).result).toBe(RET_PF_INVALID);
    expect(play({ change: (bench, leaf) => put(bench, leaf, 0x5a0, 0) }).result).toBe(RET_PF_INVALID);
  });

  it('leaves a leaf alone that is not MMU-writable', () => {
    const scene = play({
      change: (bench, leaf) => put(bench, leaf, leaf.lo, leaf.hi & ~bench.kvm.format.mmuWritableHi),
    });
    expect([scene.result, scene.shape]).toEqual([RET_PF_INVALID, ['1:1-da']]);
  });

  it('makes a huge page writable only if its slot is not logged (D18)', () => {
    expect(play({ level: 2 })).toMatchObject({ result: RET_PF_INVALID, shape: ['0:2-da'] });
    expect(play({ level: 2, fault: { logged: false } })).toMatchObject({
      result: RET_PF_FIXED,
      shape: ['0:2wda'],
    });
  });

  it('would log one page of a huge one that it made writable (B-20, fastPfHuge)', () => {
    const scene = play({ level: 2, engine: { ...P1_ENGINE, fastPfMayMakeWritable: () => true } });
    expect([scene.shape, scene.dirty, isDirty(scene.bench, 0)]).toEqual([['0:2wda'], true, false]);
  });
});

describe('access tracking, on a host without A bits', () => {
  const given = { hostAdBits: false };
  const track = (bench: TdpBench, leaf: TdpLeaf): void => {
    bench.cpu.lo = leaf.lo;
    bench.cpu.hi = leaf.hi;
    markForAccessTrack(bench.kvm, bench.cpu);
    put(bench, leaf, bench.cpu.lo, bench.cpu.hi);
  };
  const bits = (bench: TdpBench): number => bench.tdpLeaves()[0]!.lo & 7;

  it.each([
    ['a read', 4, 5, false],
    ['a fetch', ACC_EXEC, 5, false],
    ['a write', ACC_WRITE, 5 | SPTE_W, true],
  ])('is undone by %s', (_name, access, expected, marked) => {
    const scene = play({ map: {}, given, change: track, fault: { present: false, access } });
    expect([scene.result, bits(scene.bench), scene.dirty]).toEqual([RET_PF_FIXED, expected, marked]);
  });
});

describe('an entry that changes under the fast path', () => {
  /** Each of the first `changes` exchanges finds that somebody was faster. */
  const race = (changes: number): { result: number; tries: number } =>
    twice(() => {
      const bench = new TdpBench();
      bench.map(1, 1, { write: false, dirty: false, accessed: false });
      const { kvm, slot } = bench;
      const [leaf] = bench.tdpLeaves();
      let result = 0;
      const stage = new Stage(kvm.arena, [
        function* (cpu) {
          const vcpu = new Vcpu(kvm, cpu, 1);
          kvm.arena.put(vcpu.word(VCPU.root), ROOT_L1);
          const fault = { gfn: bench.gfn(1), access: ACC_WRITE, present: true, slot, logged: true };
          result = yield* fastPageFault(vcpu, fault);
        },
      ]);
      const [cpu] = stage.cpus;
      let tries = 0;
      for (; !stage.done(0); stage.step(0)) {
        if (cpu!.pendingWord !== leaf!.sptep * 2 || cpu!.pendingOp !== 12) continue;
        if (tries++ < changes) kvm.arena.put(leaf!.sptep * 2, leaf!.lo ^ ((tries & 1) << 8));
      }
      return { stage, result: { result, tries } };
    });

  it('is tried again, five times in all', () => {
    expect(race(0)).toEqual({ result: RET_PF_FIXED, tries: 1 });
    expect(race(4)).toEqual({ result: RET_PF_FIXED, tries: 5 });
    expect(race(9)).toEqual({ result: RET_PF_INVALID, tries: 5 });
  });
});
