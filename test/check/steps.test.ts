import { describe, expect, it } from 'vitest';
import { shadowedCheck } from '../../src/check/shadowed.ts';
import { guestEntry, sleepingAllocation } from '../../src/check/steps-cpu.ts';
import { protectedAtReturn, shadowedAtRelease } from '../../src/check/steps-log.ts';
import { splitPasses } from '../../src/check/steps-pass.ts';
import { splitContents } from '../../src/check/steps-split.ts';
import { SPTE_W } from '../../src/mmu/format.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { splitCachesLow } from '../../src/mmu/shadow/split-steps.ts';
import { sptepOf } from '../../src/mmu/shadow-page.ts';
import { REQ_TLB_FLUSH, VCPU } from '../../src/mmu/vcpu-words.ts';
import skipWrprot from '../../src/variants/bugs/skip-wrprot-if-not-writable.ts';
import nxPartialReuse from '../../scenarios/nx-partial-reuse.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import shadowedTables from '../../scenarios/shadowed-tables.ts';
import { C } from '../../src/cpu/counters.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import { aliased, idsOf, runtimeOf, threeRoots, twoSizes, violationsOf } from './judged-run.ts';

const only = { stateChecks: [] };

describe('what a split writes', () => {
  const contents = { ...only, stepChecks: [splitContents] };

  it('is found to differ from the huge SPTE in one software bit (Q34)', () => {
    const engine: typeof P1_ENGINE = {
      ...P1_ENGINE,
      makeHugePageSplitSpte: (kvm, cpu, lo, hi, level, access) => {
        P1_ENGINE.makeHugePageSplitSpte(kvm, cpu, lo, hi, level, access);
        cpu.hi ^= kvm.format.mmuWritableHi;
      },
    };
    expect(idsOf(nestedMigration, { ...contents, engine })).toEqual(['Q34']);
  });

  it('is found to permit what the huge page did not (D16)', () => {
    const engine: typeof P1_ENGINE = {
      ...P1_ENGINE,
      makeHugePageSplitSpte: (kvm, cpu, lo, hi, level, access) => {
        P1_ENGINE.makeHugePageSplitSpte(kvm, cpu, lo, hi, level, access);
        cpu.lo |= SPTE_W;
      },
    };
    expect(idsOf(aliased(1, 'rx'), { ...contents, engine })).toEqual(['D16', 'Q34']);
  });

  it('may be executable at 4K under the NX mitigation only', () => {
    const parameters = { nx: true, execFraction: 0.3 };
    expect(violationsOf(nestedMigration, { ...contents, parameters })).toEqual([]);
  });

  it('is found to leave a page unmapped (Q35)', () => {
    const fillSplitChild: typeof P1_ENGINE.fillSplitChild = (pass, sp, from) => {
      P1_ENGINE.fillSplitChild(pass, sp, from);
      pass.kvm.arena.put(sptepOf(pass.kvm, sp, 0) * 2, 0);
      return pass.kvm.entries;
    };
    expect(idsOf(nestedMigration, { ...contents, engine: { fillSplitChild } })).toEqual(['Q35']);
  });

  it('is found to shift frames (Q35)', () => {
    const makeHugePageSplitSpte: typeof P1_ENGINE.makeHugePageSplitSpte = (
      kvm,
      cpu,
      lo,
      hi,
      level,
      access,
    ) => {
      P1_ENGINE.makeHugePageSplitSpte(kvm, cpu, lo, hi, level, access);
      cpu.lo += 0x1000;
    };
    expect(idsOf(nestedMigration, { ...contents, engine: { makeHugePageSplitSpte } })).toContain('Q35');
  });

  it('is found not to be linked (D22)', () => {
    expect(idsOf(nestedMigration, { ...contents, engine: { linkSplitChild: () => undefined } })).toContain(
      'D22',
    );
  });

  it('may have holes below reused tables if a flush follows the drop, and they are counted (Q35, H-G)', () => {
    const runtime = runtimeOf(nxPartialReuse, contents);
    for (let schedule = 0; schedule < 20; schedule++) {
      expect(runtime.run(new RandomWalk(7), 7, schedule).violations).toEqual([]);
    }
    expect(runtime.cpus[0]!.counters[C.holesLeft]).toBeGreaterThan(0);
    expect(idsOf(nxPartialReuse, { ...contents, engine: { splitNeedsFlush: () => false } })).toEqual(['Q35']);
  });

  it('loses recycle victims without a flush after the drop in the kernel itself (H-A)', () => {
    expect(idsOf(aliased(3), { ...contents, parameters: { recycleThreshold: 1, rootLevel: 4 } })).toEqual([]);
    // Three roles make three children: each page has three 4K entries, and the third one recycles the head.
    const engine = { splitNeedsFlush: () => true };
    expect(idsOf(threeRoots, { ...contents, parameters: { recycleThreshold: 1 } })).toEqual(['Q35']);
    expect(idsOf(threeRoots, { ...contents, parameters: { recycleThreshold: 1 }, engine })).toEqual([]);
  });
});

describe('a split pass', () => {
  const passes = { ...only, stepChecks: [splitPasses] };

  it('that leaves a head after EAGAIN leaves huge pages (Q43)', () => {
    expect(idsOf(nestedMigration, { ...passes, engine: { afterAttempt: () => 'leave' } })).toContain('Q43');
  });

  it('that never looks at the lock splits twice between two looks (D14)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      needTopupSplitCachesOrResched: (kvm, _cpu, caches) => splitCachesLow(kvm, caches),
    };
    expect(idsOf(aliased(2), { ...passes, engine })).toEqual(['D14']);
  });

  it('that takes a page away behind its own back is found by the number of leaves (D23)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      fillSplitChild: (pass, sp, from) => {
        pass.kvm.put(KVM.pages + 1, pass.kvm.get(KVM.pages + 1) + 1);
        return P1_ENGINE.fillSplitChild(pass, sp, from);
      },
    };
    expect(idsOf(aliased(1), { ...passes, engine })).toEqual(['D23']);
  });

  it('that flushes for every split does not keep to profile P1 (D24)', () => {
    expect(idsOf(aliased(1), { ...passes, engine: { splitNeedsFlush: () => true } })).toEqual(['D24']);
    expect(idsOf(aliased(1), { ...passes, engine: { profile: 'P2' } })).toEqual(['D24']);
  });

  it('must not split a level-2 page below a level-3 one (D22)', () => {
    const { kvm, cpus } = runtimeOf(twoSizes, { stateChecks: [], stepChecks: [] });
    const found: string[] = [];
    const check = splitPasses.make(kvm, (_cpu, id) => found.push(id));
    const slot = kvm.slots[1]!;
    const head = kvm.w[slot.rmapWord(slot.baseGfn, 2)]!;
    check.splitBegin(cpus[0]!, kvm.w[slot.rmapWord(slot.baseGfn, 3)]! >>> 1);
    expect(found).toEqual([]);
    check.splitBegin(cpus[0]!, head >>> 1);
    expect(found).toEqual(['D22']);
  });
});

describe('mmu_lock', () => {
  it('is not held while the split caches are filled (D3)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      needTopupSplitCachesOrResched: (kvm, cpu, caches) => {
        if (splitCachesLow(kvm, caches)) P1_ENGINE.topupSplitCaches(kvm, cpu, caches);
        return false;
      },
    };
    expect(idsOf(nestedMigration, { ...only, stepChecks: [sleepingAllocation], engine })).toEqual(['D3']);
  });

  it('is not dropped with a writable TLB entry over a table just shadowed (D10)', () => {
    const engine: Partial<typeof P1_ENGINE> = { *accountShadowed() {} };
    const options = { engine, schedules: 200 };
    expect(idsOf(shadowedTables, { ...only, ...options, stepChecks: [shadowedAtRelease] })).toEqual(['D10']);
    expect(idsOf(shadowedTables, { ...options, stepChecks: [], stateChecks: [shadowedCheck] })).toEqual([
      'D10',
    ]);
  });

  it('is dropped too early when W=0 passes for write-protected (D10, B-04)', () => {
    const engine = skipWrprot.apply(P1_ENGINE);
    expect(
      idsOf(shadowedTables, { ...only, engine, schedules: 3000, stepChecks: [shadowedAtRelease] }),
    ).toEqual(['D10']);
  });
});

describe('a dirty-log ioctl', () => {
  const log = { ...only, stepChecks: [protectedAtReturn] };

  it('that returns without its flush leaves writable TLB entries over clean pages (D11)', () => {
    const found = violationsOf(nestedMigration, { ...log, engine: { flushAfterEnable: () => false } });
    expect(found[0]).toMatchObject({ id: 'D11', actorName: 'migration' });
    expect(found[0]!.text).toContain('TLB');
  });

  it.each(['off', 'manual', 'initially-set'])(
    'that protects nothing leaves writable SPTEs over clean pages (D11), manual %s',
    (manual) => {
      const engine = { needsWriteProtect: () => false };
      expect(idsOf(nestedMigration, { ...log, engine, parameters: { manual } })).toEqual(['D11']);
    },
  );
});

describe('the entry into the guest', () => {
  it('honours what was requested before it, and need not what comes later (D26)', () => {
    const { kvm, cpus } = runtimeOf(nestedMigration, { stateChecks: [], stepChecks: [] });
    const found: string[] = [];
    const check = guestEntry.make(kvm, (_cpu, id) => found.push(id));
    const cpu = cpus[1]!;
    const requests = kvm.vcpuWord(0) + VCPU.requests;
    check.begin(kvm);
    check.guestEntering(cpu, 0);
    kvm.arena.put(requests, REQ_TLB_FLUSH);
    check.guestEntered(cpu, 0);
    expect(found).toEqual([]);
    check.guestEntering(cpu, 0);
    check.guestEntered(cpu, 0);
    expect(found).toEqual(['D26']);
  });
});
