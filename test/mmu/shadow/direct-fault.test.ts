// L1 without the TDP MMU: direct pages of the shadow MMU (kernel-facts 1.2, 5.2, 5.3, C1).
import { describe, expect, it } from 'vitest';
import { enableDirtyLogging, getDirtyLog } from '../../../src/mmu/dirty-log.ts';
import { KVM } from '../../../src/mmu/kvm.ts';
import { pteListEntries } from '../../../src/mmu/pte-list.ts';
import { roleDirect, roleGuestMode, roleLevel } from '../../../src/mmu/role.ts';
import { spGfn, spRole, spRootCount } from '../../../src/mmu/shadow-page.ts';
import { REQ_MMU_RELOAD, ROOT_L1, VCPU } from '../../../src/mmu/vcpu-words.ts';
import { splitsEagerly } from '../../../src/mmu/shadow/split.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { engineNamed, hunt, shipped } from '../../support/hunt.ts';
import {
  activePages,
  Bench,
  identity,
  leaves,
  machineOf,
  rootOf,
  type Given,
} from '../../support/machines.ts';

/** Two vCPUs run L1, one runs L2; sixteen pages of 2M backing. */
const legacy = (given: Given = {}, engine: Engine = P1_ENGINE): Bench =>
  new Bench(
    machineOf(
      (units) => ({
        ...identity(2)(units),
        populate: [{ access: 'write', l2Gfn: units.base, count: 4, stride: units.huge2 }],
      }),
      { backing: '2m', tdpMmu: false, vcpus: 1, l1Vcpus: 2, ...given },
    ),
    engine,
  );
const L1 = 1;
const direct = (bench: Bench): number[] =>
  activePages(bench.kvm).filter((sp) => !roleGuestMode(spRole(bench.kvm, sp)));
const l1Leaves = (bench: Bench, level: number): number =>
  leaves(bench.kvm, level).filter(({ sp }) => !roleGuestMode(spRole(bench.kvm, sp))).length;

describe('the root of L1 without the TDP MMU', () => {
  it('is one direct page that all its vCPUs share, and counts as a page of the shadow MMU', () => {
    const { kvm } = legacy();
    const roots = [1, 2].map((vcpu) => kvm.w[kvm.vcpuWord(vcpu) + VCPU.roots + ROOT_L1]!);
    expect(new Set(roots).size).toBe(1);
    const [root] = roots;
    const role = spRole(kvm, root!);
    expect([roleDirect(role), roleGuestMode(role), roleLevel(role), spGfn(kvm, root!)]).toEqual([
      true,
      false,
      kvm.config.tdpRootLevel,
      0,
    ]);
    expect([spRootCount(kvm, root!), activePages(kvm).includes(root!), kvm.get(KVM.tdpRoots)]).toEqual([
      2,
      true,
      0,
    ]);
  });

  it('is let go and loaded anew like any other', () => {
    const bench = legacy();
    const { kvm, slot } = bench;
    const word = kvm.vcpuWord(L1) + VCPU.roots + ROOT_L1;
    const root = kvm.w[word]!;
    kvm.arena.put(kvm.vcpuWord(L1) + VCPU.requests, REQ_MMU_RELOAD);
    expect(bench.touch(slot.baseGfn, 'write', ROOT_L1, L1)).toBe(true);
    expect([kvm.w[word], spRootCount(kvm, root)]).toEqual([root, 2]);
  });
});

describe('a fault of L1 without the TDP MMU', () => {
  it('maps a huge page with an entry in its reverse map, beside that of L2', () => {
    const bench = legacy();
    const { kvm, slot } = bench;
    const head = slot.rmapWord(slot.baseGfn, 2);
    expect(pteListEntries(kvm, head)).toHaveLength(1);
    bench.touch(slot.baseGfn + 1, 'write', ROOT_L1, L1);
    expect([l1Leaves(bench, 2), pteListEntries(kvm, head).length]).toEqual([1, 2]);
    expect(direct(bench).every((sp) => roleDirect(spRole(kvm, sp)))).toBe(true);
    // Nothing of it is the TDP MMU's.
    expect([bench.counter('tdpMapped'), kvm.get(KVM.tdpPages)]).toEqual([0, 0]);
  });

  it('takes 4K pages of a logged slot, and the fast path makes them writable again', () => {
    const bench = legacy();
    const { kvm, cpu, slot } = bench;
    bench.touch(slot.baseGfn + 1, 'write', ROOT_L1, L1);
    bench.run(enableDirtyLogging(kvm, cpu, slot));
    // Not split eagerly: the first write does it, in the slow path.
    expect(l1Leaves(bench, 2)).toBe(1);
    bench.touch(slot.baseGfn + 1, 'write', ROOT_L1, L1);
    expect([l1Leaves(bench, 2), l1Leaves(bench, 1), bench.counter('fastPageFaults')]).toEqual([0, 1, 0]);
    // A harvest takes W away again, and leaves MMU-writable.
    expect(bench.run(getDirtyLog(kvm, cpu, slot))).toBe(1);
    bench.touch(slot.baseGfn + 1, 'write', ROOT_L1, L1);
    expect(bench.counter('fastPageFaults')).toBe(1);
    expect(kvm.w[slot.layout.dirtyBitmap]).toBe(0b10);
  });

  it('is on the list of nx-disallowed pages if the mitigation is why it is small', () => {
    const bench = legacy({ nx: true });
    bench.touch(bench.slot.baseGfn, 'exec', ROOT_L1, L1);
    expect([l1Leaves(bench, 1) > 0, bench.kvm.get(KVM.nxCount)]).toEqual([true, 1]);
  });
});

describe('eager splitting without the TDP MMU', () => {
  const enabled = (engine: Engine): Bench => {
    const bench = legacy({}, engine);
    bench.touch(bench.slot.baseGfn, 'write', ROOT_L1, L1);
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    return bench;
  };

  it('does not happen: both entry points return at once', () => {
    const bench = enabled(P1_ENGINE);
    expect([splitsEagerly(bench.kvm), bench.counter('splitOk'), leaves(bench.kvm, 2).length]).toEqual([
      false,
      0,
      5,
    ]);
    expect(bench.seen.broke).toEqual([]);
  });

  it('acts on all pages of the shadow MMU if both tests are gone (C1)', () => {
    const bench = enabled(engineNamed('no-guest-mode-check'));
    expect([splitsEagerly(bench.kvm), bench.counter('splitOk'), leaves(bench.kvm, 2).length]).toEqual([
      true,
      5,
      0,
    ]);
    expect([l1Leaves(bench, 1), bench.seen.broke]).toEqual([4, []]);
  });

  it('passes over what is not nested, and says so, if only the refusal is gone (Q14)', () => {
    const bench = enabled({ ...P1_ENGINE, splitsWithoutTdp: true });
    expect([bench.counter('splitOk'), l1Leaves(bench, 2)]).toEqual([4, 1]);
    expect(bench.seen.broke.map(({ id }) => id)).toEqual(['Q14']);
  });

  it.each([
    ['p1', 400, {}],
    ['p1', 150, { nx: true }],
    ['no-guest-mode-check', 400, { eager: true }],
    ['no-guest-mode-check', 200, { eager: true, nx: true }],
    ['no-guest-mode-check', 200, { eager: true, manual: 'initially-set' }],
    ['no-guest-mode-check', 150, { eager: true, hostAdBits: false }],
    ['no-guest-mode-check', 150, { eager: true, flushBackend: 'range-l2', psc: 4 }],
  ])('%s is clean in legacy-shadow, %i schedules, %o', async (name, schedules, given) => {
    expect(hunt(await shipped('legacy-shadow', given), engineNamed(name), schedules)).toBeUndefined();
  });

  it('is not combined with PML, which logs what EPT translates', async () => {
    await expect(shipped('legacy-shadow', { pml: 4 })).rejects.toThrow(
      /^pml: 4 given, allowed is 0 with roots/,
    );
  });

  it('is clean on shadow paging proper: indirect roots that are not nested', () => {
    const machine = machineOf(
      (units) => ({
        ...rootOf(({ base, huge2, pages }) => [{ l2Gfn: 0, l1Gfn: base, level: 2, count: pages / huge2 }])(
          units,
        ),
        roots: [
          {
            name: 'process',
            guestMode: false,
            mappings: [
              { l2Gfn: 0, l1Gfn: units.base, level: 2, count: 2 },
              { l2Gfn: 16, l1Gfn: units.base, level: 2, count: 2, perm: 'r' },
            ],
          },
        ],
      }),
      { backing: '2m', tdpMmu: false, reschedRate: 0.05 },
    );
    expect(hunt(machine, engineNamed('no-guest-mode-check'), 300)).toBeUndefined();
    expect(hunt(machine, engineNamed('p1'), 150)).toBeUndefined();
  });
});
