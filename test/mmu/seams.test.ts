// Steps that hold today's behaviour so that a variant can take it away: each makes a difference that can be seen.
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { enableDirtyLogging } from '../../src/mmu/dirty-log.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ACC_ALL } from '../../src/mmu/format.ts';
import { unloadMmu } from '../../src/mmu/roots.ts';
import { roleAccess, roleDirect } from '../../src/mmu/role.ts';
import { SP, spGfn, spPut, spRole, spRootCount } from '../../src/mmu/shadow-page.ts';
import { zapOldest } from '../../src/mmu/shadow/zap.ts';
import { tlbEntries } from '../../src/mmu/tlb.ts';
import { REQ_TLB_FLUSH, VCPU } from '../../src/mmu/vcpu-words.ts';
import { setNrMmuPages } from '../../src/mmu/reclaim.ts';
import { zapGfnRange } from '../../src/mmu/zap-all.ts';
import type { MachineSpec, Units } from '../../src/scenario/define.ts';
import { activePages, Bench, identity, leaves, machineOf, rootOf, type Given } from '../support/machines.ts';

type Spec = (units: Units) => MachineSpec;
const bench = (engine: Partial<Engine>, spec: Spec = identity(2), given: Given = {}): Bench =>
  new Bench(machineOf(spec, { backing: '2m', ...given }), { ...P1_ENGINE, ...engine });
const nothing: Spec = identity(2, []);

/** With and without the override. */
const both = <T>(step: Partial<Engine>, look: (engine: Partial<Engine>) => T): [T, T] => [
  look({}),
  look(step),
];

describe('a step', () => {
  it('directChildAccess: what a direct child may do (B-13)', () => {
    const access = (engine: Partial<Engine>): number[] => {
      const made = bench(
        engine,
        rootOf(({ base }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: 1, perm: 'r' }]),
        { backing: '4k' },
      );
      return activePages(made.kvm).flatMap((sp) =>
        roleDirect(spRole(made.kvm, sp)) ? [roleAccess(spRole(made.kvm, sp))] : [],
      );
    };
    expect(both({ directChildAccess: () => ACC_ALL }, access)).toEqual([[4], [7]]);
  });

  it('tableForbidsHuge: a table that logging left behind keeps a page small, or does not (B-43, H-J)', () => {
    // Executed once, so that there is a table; then its leaves go, and a read may map 2M again.
    const huge = (engine: Partial<Engine>): number => {
      const made = bench(engine, nothing, { nx: true });
      made.touch(made.slot.baseGfn, 'exec');
      made.run(zapGfnRange(made.kvm, made.cpu, made.slot.baseGfn, made.slot.baseGfn + 4));
      made.touch(made.slot.baseGfn + 1, 'read');
      return leaves(made.kvm, 2).length;
    };
    expect(both({ tableForbidsHuge: () => false }, huge)).toEqual([0, 1]);
  });

  it('rmapFlushBeforeYield: a walk that yields flushes what it owes, or forgets it (B-21)', () => {
    const flushes = (engine: Partial<Engine>): number => {
      const made = bench(engine, identity(2), { reschedRate: 1, eager: false });
      made.run(zapGfnRange(made.kvm, made.cpu, made.slot.baseGfn, made.slot.baseGfn + made.slot.npages));
      return made.seen.flushes.filter(({ reason }) => reason === 'memslot').length;
    };
    const [flushed, forgotten] = both({ rmapFlushBeforeYield: () => false }, flushes);
    expect([flushed > 0, forgotten]).toEqual([true, 0]);
  });

  it('collapsibleLevel: a page that begins below its slot is not looked up there, or out of bounds (B-49)', () => {
    const made = bench({}, identity(2));
    const { kvm, slot } = made;
    made.run(enableDirtyLogging(kvm, made.cpu, slot));
    const direct = activePages(kvm).find((sp) => roleDirect(spRole(kvm, sp)))!;
    expect(kvm.engine.collapsibleLevel(kvm, slot, direct)).toBe(2);
    spPut(kvm, direct, SP.gfn, slot.baseGfn - 1);
    expect([spGfn(kvm, direct) < slot.baseGfn, kvm.engine.collapsibleLevel(kvm, slot, direct)]).toEqual([
      true,
      1,
    ]);
  });

  it('reclaimSkips: reclaim leaves roots alone, or takes them too (A21, B-48)', () => {
    const roots = (engine: Partial<Engine>): number => {
      const made = bench(engine, identity(2), { vcpus: 1 });
      made.run(made.kvm.writeLock(made.cpu));
      made.run(zapOldest(made.kvm, made.cpu, 100));
      made.run(made.kvm.writeUnlock(made.cpu));
      return activePages(made.kvm).filter((sp) => spRootCount(made.kvm, sp) > 0).length;
    };
    expect(both({ reclaimSkips: () => false }, roots)).toEqual([1, 0]);
  });

  it('flushOnRootLoad: a root that is taken into use again has nothing cached, or what it had (B-28)', () => {
    const cached = (engine: Partial<Engine>): number => {
      const made = bench(engine, identity(2), { vcpus: 1 });
      made.touch(made.slot.baseGfn, 'write');
      made.run(unloadMmu(made.vcpu()));
      made.touch(made.slot.baseGfn + 4, 'write');
      return tlbEntries(made.kvm, 0).length;
    };
    const [flushed, kept] = both({ flushOnRootLoad: () => {} }, cached);
    expect(kept - flushed).toBeGreaterThan(0);
  });

  it('serveTlbFlush: a request for a flush is served before the guest is entered, or not (D26, B-28)', () => {
    const cached = (engine: Partial<Engine>): number => {
      const made = bench(engine, identity(2), { vcpus: 1 });
      made.touch(made.slot.baseGfn, 'write');
      const requests = made.vcpu().word(VCPU.requests);
      made.kvm.arena.put(requests, REQ_TLB_FLUSH);
      made.touch(made.slot.baseGfn + 4, 'write');
      return tlbEntries(made.kvm, 0).length;
    };
    const [flushed, kept] = both({ serveTlbFlush: () => {} }, cached);
    expect(kept - flushed).toBeGreaterThan(0);
  });

  it('reclaimSkips holds for a new limit as well', () => {
    const made = bench({}, identity(2), { vcpus: 1 });
    const limit = made.run(setNrMmuPages(made.kvm, made.cpu, 1));
    expect(limit).toBe(activePages(made.kvm).length);
  });
});
