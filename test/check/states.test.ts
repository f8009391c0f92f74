import { describe, expect, it } from 'vitest';
import { dirtyLogCheck } from '../../src/check/dirty.ts';
import { shadowedCheck } from '../../src/check/shadowed.ts';
import { checkWorld } from '../../src/check/stop-the-world.ts';
import { tlbCheck } from '../../src/check/tlb.ts';
import { Rng } from '../../src/cpu/random.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { isLarge, isWritable, SPTE_W } from '../../src/mmu/format.ts';
import { KVM, type Kvm } from '../../src/mmu/kvm.ts';
import { pteListRemove } from '../../src/mmu/pte-list.ts';
import { updatePageStats } from '../../src/mmu/rmap.ts';
import { parentPtesWord, spGfn, sptepOf, sptepToSp } from '../../src/mmu/shadow-page.ts';
import { liveEpoch, TLB, TLB_R, TLB_W } from '../../src/mmu/tlb.ts';
import { REQ_TLB_FLUSH, VCPU } from '../../src/mmu/vcpu-words.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import shadowedTables from '../../scenarios/shadowed-tables.ts';
import { tlbCursor } from '../../src/check/tlb-cursor.ts';
import { aliased, idsOf, runtimeOf, scenarioOf, STATE_CHECKS } from './judged-run.ts';

/** A machine after a whole migration: logging is on, everything is 4K, everything was copied. */
function migrated(parameters: Record<string, unknown> = {}): Kvm {
  const runtime = runtimeOf(nestedMigration, { parameters });
  const result = runtime.run(new RandomWalk(1), 1, 0);
  expect(result.violations).toEqual([]);
  return runtime.kvm;
}

/** A machine just booted: huge pages everywhere, and TLBs that hold them. */
const booted = (): Kvm => runtimeOf(nestedMigration).kvm;

const ids = (kvm: Kvm): string[] => [...new Set(checkWorld(kvm, STATE_CHECKS).map(({ id }) => id))].sort();

/** The first sptep of a head of the logged slot that satisfies `test`. */
function leafOf(
  kvm: Kvm,
  level: number,
  test: (sptep: number, page: number) => boolean = () => true,
): [number, number] {
  const slot = kvm.slots[1]!;
  const heads = slot.rmapWord(slot.baseGfn, level);
  for (let i = 0; i < slot.npages >> ((level - 1) * kvm.tableBits); i++) {
    const sptep = kvm.w[heads + i]! >>> 1;
    if (sptep !== 0 && (kvm.w[heads + i]! & 1) === 0 && test(sptep, i)) return [sptep, i];
  }
  throw new Error('no such leaf');
}

describe('the dirty log', () => {
  it('is in order after a migration', () => {
    expect(ids(migrated())).toEqual([]);
    expect(ids(migrated({ manual: 'manual' }))).toEqual([]);
    expect(ids(migrated({ manual: 'initially-set' }))).toEqual([]);
  });

  it('has no huge page that is writable (Q42) or there at all (Q43) in a logged slot', () => {
    const kvm = migrated();
    const [sptep, page] = leafOf(kvm, 1, (at) => (at & 3) === 0);
    const slot = kvm.slots[1]!;
    // A leaf where the level-2 table points to its child: readable first, then writable.
    const parent = kvm.w[parentPtesWord(kvm, sptepToSp(kvm, sptep))]! >>> 1;
    kvm.w[parent * 2] = (kvm.w[sptep * 2]! | 0x80) & ~SPTE_W;
    kvm.w[slot.rmapWord(slot.baseGfn + page, 2)] = parent << 1;
    expect(ids(kvm)).toEqual(['Q43']);
    kvm.w[parent * 2]! |= SPTE_W;
    expect(ids(kvm)).toEqual(['Q42', 'Q43']);
    // After a failed attempt huge pages are expected; writable ones are not.
    kvm.put(KVM.splitFailures, 1);
    expect(ids(kvm)).toEqual(['Q42']);
  });

  it('has huge pages left after ENOSPC, and finds them writable if they are not protected (Q42)', () => {
    const needsWriteProtect: typeof P1_ENGINE.needsWriteProtect = (_kvm, lo) =>
      isWritable(lo) && !isLarge(lo);
    const options = { parameters: { mmuPages: 10 }, stepChecks: [], stateChecks: [dirtyLogCheck] };
    expect(idsOf(aliased(1), options)).toEqual([]);
    expect(idsOf(aliased(1), { ...options, engine: { needsWriteProtect } })).toContain('Q42');
  });

  it('names every page that is writable (Q44)', () => {
    const kvm = migrated();
    const slot = kvm.slots[1]!;
    const [sptep, page] = leafOf(
      kvm,
      1,
      (_at, at) => (kvm.w[slot.layout.dirtyBitmap + (at >>> 5)]! & (1 << (at & 31))) === 0,
    );
    kvm.w[sptep * 2]! |= SPTE_W;
    expect(ids(kvm)).toEqual(['Q44']);
    kvm.w[slot.layout.dirtyBitmap + (page >>> 5)]! |= 1 << (page & 31);
    expect(ids(kvm)).toEqual([]);
  });

  it('names every page that changed since it was copied (Q46)', () => {
    const kvm = migrated();
    const slot = kvm.slots[1]!;
    const page = 5;
    kvm.w[slot.layout.dirtyBitmap]! &= ~(1 << page);
    kvm.w[kvm.layout.memory + slot.config.basePfn + page]!++;
    expect(ids(kvm)).toEqual(['Q46']);
    kvm.w[slot.layout.userBitmap]! |= 1 << page;
    expect(ids(kvm)).toEqual([]);
    kvm.w[slot.layout.userBitmap] = 0;
    // The fast path is between its exchange and its mark: somebody else may have written the page meanwhile (D19).
    kvm.w[kvm.layout.rcu + 1] = 1;
    expect(ids(kvm)).toEqual([]);
    kvm.w[kvm.layout.rcu + 1] = 0;
    expect(ids(kvm)).toEqual(['Q46']);
    kvm.put(KVM.firstCopyDone, 0);
    expect(ids(kvm)).toEqual([]);
  });

  it('loses writes when a harvest protects nothing (Q44, Q46)', () => {
    const engine = { needsWriteProtect: () => false };
    expect(idsOf(nestedMigration, { engine, stepChecks: [] })).toContain('Q44');
  });
});

describe('a TLB entry', () => {
  it('is in order after the boot', () => {
    const kvm = booted();
    const cursor = tlbCursor(kvm);
    expect(cursor.next(TLB_W)).toBe(true);
    expect(ids(kvm)).toEqual([]);
  });

  it('must not outlive its page (Q49), unless a flush is pending', () => {
    const kvm = booted();
    const [sptep] = leafOf(kvm, 2, (at) => kvm.w[at * 2] !== 0);
    kvm.w[sptep * 2] = 0;
    kvm.w[sptep * 2 + 1] = 0;
    expect(ids(kvm)).toEqual(['Q49']);
    for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++)
      kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests] = REQ_TLB_FLUSH;
    expect(ids(kvm)).toEqual([]);
  });

  it('must not permit more than the leaf (Q49), unless the dirty log still owes its flush', () => {
    const kvm = booted();
    const [sptep] = leafOf(kvm, 2);
    kvm.w[sptep * 2]! &= ~SPTE_W;
    expect(ids(kvm)).toEqual(['Q49']);
    kvm.put(KVM.deferredFlush, 1);
    expect(ids(kvm)).toEqual([]);
    kvm.w[sptep * 2 + 1]! &= ~kvm.format.mmuWritableHi;
    expect(ids(kvm)).toEqual(['Q49']);
  });

  it('must not name another frame (Q49), below tables either', () => {
    const kvm = booted();
    const [sptep] = leafOf(kvm, 2);
    kvm.w[sptep * 2]! ^= 0x4000;
    expect(ids(kvm)).toEqual(['Q49']);
  });

  it('for a huge page must not cover a hole (Q50)', () => {
    const kvm = booted();
    const [sptep] = leafOf(kvm, 2);
    const table = kvm.layout.dims.tables;
    const word = (kvm.tablesQ + (table << kvm.tableBits)) * 2;
    for (let i = 0; i < kvm.entries; i++) {
      kvm.w[word + i * 2] = (kvm.w[sptep * 2]! & ~0x80) + (i << 12);
      kvm.w[word + i * 2 + 1] = kvm.w[sptep * 2 + 1]!;
    }
    kvm.w[sptep * 2] = 0x807 | ((kvm.tablePfnBase + table) << 12);
    kvm.w[sptep * 2 + 1] = (kvm.tablePfnBase + table) >>> 20;
    expect(ids(kvm)).toEqual([]);
    kvm.w[word + 2] = 0;
    expect(ids(kvm)).toEqual(['Q50']);
  });

  it('over a split that skipped a page is found by the engine that does so (Q50)', () => {
    const fillSplitChild: typeof P1_ENGINE.fillSplitChild = (pass, sp, from) => {
      const { kvm, slot } = pass;
      P1_ENGINE.fillSplitChild(pass, sp, from);
      const level = pass.level - 1;
      const sptep = sptepOf(kvm, sp, 0);
      kvm.arena.put(sptep * 2, 0);
      pteListRemove(kvm, sptep, slot.rmapWord(spGfn(kvm, sp), level));
      updatePageStats(kvm, level, -1);
      return kvm.entries;
    };
    expect(
      idsOf(nestedMigration, { engine: { fillSplitChild }, stepChecks: [], stateChecks: [tlbCheck] }),
    ).toEqual(['Q50']);
  });
});

describe('a shadowed table', () => {
  it('cannot be written through a TLB entry (D10)', () => {
    const { kvm } = runtimeOf(shadowedTables);
    expect(checkWorld(kvm, [shadowedCheck])).toEqual([]);
    const cursor = tlbCursor(kvm);
    expect(cursor.next(TLB_R)).toBe(true);
    // L1's root table is shadowed as long as the root is loaded.
    kvm.w[cursor.word + TLB.pfn] = kvm.slotOf(kvm.config.tableGfn)!.pfn(kvm.config.tableGfn);
    kvm.w[cursor.word + TLB.perm] = TLB_R | TLB_W;
    kvm.w[cursor.word + TLB.epoch] = liveEpoch(kvm, cursor.vcpu);
    expect(checkWorld(kvm, [shadowedCheck]).map(({ id }) => id)).toEqual(['D10']);
  });
});

describe('checkWorld', () => {
  it('makes at most five reports of an id', () => {
    const kvm = booted();
    const found = checkWorld(kvm, [
      {
        ids: ['Q1'],
        when: 'end',
        run: (_kvm, broken) => {
          for (let i = 0; i < 9; i++) broken('Q1', `${i}`);
        },
      },
    ]);
    expect(found).toHaveLength(5);
    expect(found[0]).toMatchObject({ actor: -1, step: -1 });
  });

  it('reports a check that a broken state stops', () => {
    const found = checkWorld(booted(), [
      {
        ids: ['Q1', 'Q2'],
        when: 'end',
        run: () => {
          throw new RangeError('index 7');
        },
      },
    ]);
    expect(found.map(({ id, text }) => `${id}: ${text}`)).toEqual([
      'Q1: the state is too broken to be checked for Q1, Q2: index 7',
    ]);
  });

  it('ends on any contents of the arena, and finds most of them broken', () => {
    const rng = new Rng(99);
    const machine = migrated();
    const good = machine.w.slice();
    const from = machine.layout.kvm;
    let noticed = 0;
    for (let round = 0; round < 200; round++) {
      machine.w.set(good);
      for (let k = 0; k < 400; k++) {
        machine.w[from + rng.below(machine.layout.words - from)] = rng.chance(0.5)
          ? rng.next() | 0
          : rng.below(4096);
      }
      if (checkWorld(machine, STATE_CHECKS).length > 0) noticed++;
    }
    expect(noticed).toBeGreaterThan(100);
  });

  it('takes less than a tenth of a second on a large machine', () => {
    const large = scenarioOf(
      'large',
      ({ base, pages, huge2 }) => ({
        roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
        populate: 'all',
      }),
      { memory: '1G', tableBits: 9, rootLevel: 4, vcpus: 8, tlbBits: 6 },
    );
    const { kvm } = runtimeOf(large);
    const slot = kvm.slots[1]!;
    kvm.w[slot.logStateWord] = 2;
    kvm.put(KVM.splitFailures, 1);
    kvm.put(KVM.firstCopyDone, 2);
    kvm.w.fill(-1, slot.layout.dirtyBitmap, slot.layout.dirtyBitmap + slot.layout.bitmapWords);
    checkWorld(kvm, STATE_CHECKS);
    const start = performance.now();
    checkWorld(kvm, STATE_CHECKS);
    expect(performance.now() - start).toBeLessThan(100);
  });
});
