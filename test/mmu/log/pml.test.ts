// kernel-facts 1.5 (PML), A26, B-10, Q31, Q45, on a slot of four 2M pages of four pages each; buffers of 4 entries.
import { describe, expect, it } from 'vitest';
import { C } from '../../../src/cpu/counters.ts';
import { P1_ENGINE } from '../../../src/mmu/default-engine.ts';
import { disableDirtyLogging, enableDirtyLogging, getDirtyLog } from '../../../src/mmu/dirty-log.ts';
import type { Engine } from '../../../src/mmu/engine.ts';
import { isWritable, SPTE_AD_MASK_HI, SPTE_AD_WRPROT_ONLY_HI } from '../../../src/mmu/format.ts';
import { translate, WALK_PML_FULL } from '../../../src/mmu/hardware.ts';
import { inPmlBuffer, pmlAppend, pmlFull, syncDirtyLog } from '../../../src/mmu/log/pml.ts';
import { ACCESS_READ, ACCESS_WRITE } from '../../../src/mmu/shadow/walk-addr.ts';
import { tlbFlushAll } from '../../../src/mmu/tlb.ts';
import { enterGuest, exitGuest, type Vcpu } from '../../../src/mmu/vcpu.ts';
import { EXITING_GUEST_MODE, MODE_MASK, OUTSIDE_GUEST_MODE, VCPU } from '../../../src/mmu/vcpu-words.ts';
import { engineOf, findVariant } from '../../../src/variants/index.ts';
import {
  Bench,
  controlledOf,
  identity,
  leaves,
  machineOf,
  rootOf,
  runTwice,
  type Given,
} from '../../support/machines.ts';

const PML = 4;
/** Hardware that logs whoever runs: the only way to see it work without a vCPU that runs L1. */
const LOGS_ALWAYS: Engine = { ...P1_ENGINE, pmlLogs: ({ pmlEntries }) => pmlEntries > 0 };

const bench = (given: Given = {}, engine: Engine = P1_ENGINE): Bench =>
  new Bench(machineOf(identity(1), { backing: '4k', pml: PML, ...given }), engine);

const gfns = ({ slot }: Bench, ...pages: number[]): number[] => pages.map((page) => slot.baseGfn + page);

/** What is in the buffer, in the order of its addresses. */
function buffer({ kvm, slot }: Bench, vcpu = 0): number[] {
  const first = kvm.w[kvm.vcpuWord(vcpu) + VCPU.pmlIndex]! + 1;
  return Array.from(
    { length: PML - first },
    (_, at) => kvm.w[kvm.layout.pml + vcpu * PML + first + at]! - slot.baseGfn,
  );
}

const dirty = ({ kvm, slot }: Bench): number => kvm.w[slot.layout.dirtyBitmap]!;

/** Clears D of every leaf and what the TLBs know of it, without KVM. */
function clean(made: Bench, vcpu: Vcpu): void {
  const { kvm } = made;
  for (const { sptep, lo } of leaves(kvm, 1)) kvm.arena.put(sptep * 2, lo & ~kvm.format.dirtyLo);
  tlbFlushAll(vcpu);
}

describe('hardware', () => {
  it('appends a page when it sets D, from the end of the buffer down, and not when D was set or on a read', () => {
    const made = bench({}, LOGS_ALWAYS);
    const vcpu = made.vcpu();
    clean(made, vcpu);
    for (const gfn of gfns(made, 5, 3)) made.run(translate(vcpu, gfn, ACCESS_WRITE));
    made.run(translate(vcpu, made.slot.baseGfn + 7, ACCESS_READ));
    tlbFlushAll(vcpu);
    made.run(translate(vcpu, made.slot.baseGfn + 5, ACCESS_WRITE));
    expect(buffer(made)).toEqual([3, 5]);
  });

  it('exits before the access when the buffer is full, with D still clear', () => {
    const made = bench({}, LOGS_ALWAYS);
    const vcpu = made.vcpu();
    clean(made, vcpu);
    for (const gfn of gfns(made, 0, 1, 2, 3)) made.run(translate(vcpu, gfn, ACCESS_WRITE));
    expect([pmlFull(vcpu), made.counter('pmlFull')]).toEqual([true, 0]);
    expect(made.run(translate(vcpu, made.slot.baseGfn + 4, ACCESS_WRITE))).toBe(WALK_PML_FULL);
    expect(made.counter('pmlFull')).toBe(1);
    const f = made.kvm.format;
    expect(leaves(made.kvm, 1).filter(({ lo }) => (lo & f.dirtyLo) !== 0).length).toBe(4);
    made.run(enterGuest(vcpu));
    made.run(exitGuest(vcpu));
    expect(made.run(translate(vcpu, made.slot.baseGfn + 4, ACCESS_WRITE))).toBeGreaterThan(0);
    expect(buffer(made)).toEqual([4]);
  });

  it('logs nothing while L2 runs (B-10)', () => {
    const made = bench();
    const vcpu = made.vcpu();
    clean(made, vcpu);
    made.run(translate(vcpu, made.slot.baseGfn, ACCESS_WRITE));
    expect(buffer(made)).toEqual([]);
  });
});

describe('every exit of the vCPU', () => {
  const withEntries = (engine: Engine, ...pages: number[]): Bench => {
    const made = bench({}, engine);
    made.run(enableDirtyLogging(made.kvm, made.cpu, made.slot));
    const vcpu = made.vcpu();
    made.run(enterGuest(vcpu));
    for (const gfn of gfns(made, ...pages)) pmlAppend(vcpu, gfn);
    made.run(exitGuest(vcpu));
    return made;
  };

  it('moves all entries into the bitmap, those of a full buffer too', () => {
    expect([dirty(withEntries(P1_ENGINE, 4, 2)), dirty(withEntries(P1_ENGINE, 0, 1, 2, 3))]).toEqual([
      0b10100, 0b1111,
    ]);
    const made = withEntries(P1_ENGINE, 6);
    expect([buffer(made), made.counter('pmlFlushes')]).toEqual([[], 1]);
  });

  it('would lose pages if the buffer were only thrown away', () => {
    const loses: Engine = {
      ...P1_ENGINE,
      *flushPmlBuffer({ kvm, index }) {
        kvm.arena.put(kvm.vcpuWord(index) + VCPU.pmlIndex, PML - 1);
      },
    };
    expect(dirty(withEntries(loses, 4, 2))).toBe(0);
  });

  it('ignores pages of slots that are not logged, and of none', () => {
    const made = bench();
    const vcpu = made.vcpu();
    pmlAppend(vcpu, made.slot.baseGfn);
    pmlAppend(vcpu, 1 << 20);
    made.run(exitGuest(vcpu));
    expect([dirty(made), buffer(made)]).toEqual([0, []]);
  });

  it('goes into the ring where there is one', () => {
    const made = bench({ dirtyRing: 32 });
    made.run(enableDirtyLogging(made.kvm, made.cpu, made.slot));
    const vcpu = made.vcpu();
    pmlAppend(vcpu, made.slot.baseGfn + 3);
    made.run(exitGuest(vcpu));
    expect([dirty(made), made.kvm.w[vcpu.word(VCPU.ringPush)]]).toEqual([0, 1]);
  });
});

describe('a harvest', () => {
  it('kicks the vCPUs that run L1 out of the guest, and no others', () => {
    const machine = machineOf(identity(1), { backing: '4k', pml: PML, vcpus: 2 });
    const made = new Bench({ ...machine, config: { ...machine.config, l1Vcpus: 1 } });
    const modes = [0, 1].map((vcpu) => made.kvm.vcpuWord(vcpu) + VCPU.mode);
    for (const index of [0, 1]) made.kvm.arena.put(modes[index]!, (8 << 2) | 1);
    made.run(syncDirtyLog(made.kvm, made.cpu));
    expect(modes.map((mode) => made.kvm.w[mode]! & MODE_MASK)).toEqual([1, EXITING_GUEST_MODE]);
    made.kvm.arena.put(modes[1]!, OUTSIDE_GUEST_MODE);
    made.run(syncDirtyLog(made.kvm, made.cpu));
    expect(made.kvm.w[modes[1]!]).toBe(OUTSIDE_GUEST_MODE);
  });

  it('finds a page in the buffer as long as it is in there', () => {
    const made = bench();
    const vcpu = made.vcpu();
    const [gfn, other] = gfns(made, 3, 4) as [number, number];
    pmlAppend(vcpu, gfn);
    expect([inPmlBuffer(made.kvm, made.slot, gfn), inPmlBuffer(made.kvm, made.slot, other)]).toEqual([
      true,
      false,
    ]);
    made.run(exitGuest(vcpu));
    expect(inPmlBuffer(made.kvm, made.slot, gfn)).toBe(false);
  });
});

describe('nested leaves with PML in use', () => {
  const modes = (made: Bench): Set<number> =>
    new Set(leaves(made.kvm, 1).map(({ hi }) => hi & SPTE_AD_MASK_HI));

  it('are write-protect-only; without PML they are not (Q31, B-36)', () => {
    expect([modes(bench()), modes(bench({ pml: 0 }))]).toEqual([
      new Set([SPTE_AD_WRPROT_ONLY_HI]),
      new Set([0]),
    ]);
  });

  it('lose W when logging starts and at each harvest, and keep D', () => {
    const made = bench();
    const { kvm } = made;
    const f = kvm.format;
    const states = (): boolean[][] =>
      [...new Set(leaves(kvm, 1).map(({ lo }) => `${isWritable(lo)} ${(lo & f.dirtyLo) !== 0}`))].map(
        (text) => text.split(' ').map((word) => word === 'true'),
      );
    made.run(enableDirtyLogging(kvm, made.cpu, made.slot));
    expect(states()).toEqual([[false, true]]);
    made.touch(made.slot.baseGfn + 2, 'write');
    expect(leaves(kvm, 1).filter(({ lo }) => isWritable(lo)).length).toBe(1);
    made.run(getDirtyLog(kvm, made.cpu, made.slot));
    expect(states()).toEqual([[false, true]]);
    made.run(disableDirtyLogging(kvm, made.cpu, made.slot));
  });

  it('lose D instead if they are not write-protect-only', () => {
    const made = bench({}, { ...P1_ENGINE, pageAdNeedWriteProtect: () => false });
    const { kvm } = made;
    made.run(enableDirtyLogging(kvm, made.cpu, made.slot));
    expect(leaves(kvm, 1).every(({ lo }) => isWritable(lo) && (lo & kvm.format.dirtyLo) === 0)).toBe(true);
    expect(made.counter('flushEndOfIoctl')).toBe(1);
  });
});

describe('a migration of nested guests with PML', () => {
  const ids = (engine: Engine, given: Given = {}, mapping = identity(2)): string[] => {
    const machine = machineOf(mapping, {
      backing: '2m',
      pml: PML,
      writeFraction: 0.8,
      rounds: 2,
      ...given,
    });
    const runtime = controlledOf(machine, { engine });
    const found = new Set<string>();
    for (let schedule = 0; schedule < 15; schedule++) {
      for (const { id } of runTwice(runtime, schedule).violations) found.add(id);
    }
    if (engine === P1_ENGINE) {
      expect(runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[C.pmlFlushes]!, 0)).toBe(0);
    }
    return [...found];
  };

  it.each([{}, { manual: 'initially-set' }, { dirtyRing: 16 }])('loses nothing (%j)', (given) => {
    expect(ids(P1_ENGINE, given)).toEqual([]);
  });

  it('loses writes if hardware logs addresses of L2, which are taken for those of L1 (B-10)', () => {
    const shifted = rootOf(({ base, huge2 }) => [{ l2Gfn: huge2, l1Gfn: base, level: 2, count: 3 }]);
    const both: Engine = { ...LOGS_ALWAYS, pageAdNeedWriteProtect: () => false };
    expect(ids(both, {}, shifted)).toContain('D6');
    // Only write protection helps: what the buffers say is still wrong.
    expect(ids(LOGS_ALWAYS, {}, shifted)).toEqual([]);
  });

  it('loses nothing if it logs the gfns of L1 that leaves of L2 map (nested-pml)', () => {
    const shifted = rootOf(({ base, huge2 }) => [{ l2Gfn: huge2, l1Gfn: base, level: 2, count: 3 }]);
    const nested = engineOf([findVariant('nested-pml')!]);
    const kind = (found: string[]): string[] => found.filter((id) => id !== 'Q31');
    expect(kind(ids(nested, {}, shifted))).toEqual([]);
    expect(kind(ids({ ...nested, pmlAddress: P1_ENGINE.pmlAddress }, {}, shifted))).toContain('D6');
  });

  it('loses writes if nested leaves are tracked by D bits that hardware does not log', () => {
    expect(ids({ ...P1_ENGINE, pageAdNeedWriteProtect: () => false })).toContain('D6');
  });
});
