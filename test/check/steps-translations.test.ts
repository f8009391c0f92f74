import { describe, expect, it } from 'vitest';
import { freedTables } from '../../src/check/steps-freed.ts';
import { multihit } from '../../src/check/steps-multihit.ts';
import { tlbCursor } from '../../src/check/tlb-cursor.ts';
import { C } from '../../src/cpu/counters.ts';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { translate } from '../../src/mmu/hardware.ts';
import { ACCESS_READ } from '../../src/mmu/shadow/walk-addr.ts';
import { Vcpu } from '../../src/mmu/vcpu.ts';
import { SP, sptepToSp } from '../../src/mmu/shadow-page.ts';
import { TLB, TLB_R, TLB_W, TLB_X } from '../../src/mmu/tlb.ts';
import { REQ_TLB_FLUSH, VCPU } from '../../src/mmu/vcpu-words.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { runtimeOf } from './judged-run.ts';
import { hugeLeaf } from './scene.ts';
import { scene } from './step-scene.ts';

describe('iTLB multihit', () => {
  /** Makes an executable entry of `level` for L2 gfn 0 and tells the check. */
  function fill(family: ReturnType<typeof scene>, level: number, perm: number): number {
    const { kvm, cpu, check } = family;
    const word = kvm.tlbBase(0) + (level - 1) * kvm.tlbLevelWords;
    kvm.w[word + TLB.tag] = 0;
    kvm.w[word + TLB.epoch] = kvm.w[kvm.vcpuWord(0) + VCPU.tlbEpoch]! + 1;
    kvm.w[word + TLB.perm] = perm;
    kvm.w[word + TLB.root] = 3;
    check.tlbFilled(cpu, 0, word);
    return word;
  }

  it('is an executable huge translation while the mitigation is on (D9)', () => {
    const on = scene(multihit, { nx: true });
    fill(on, 2, TLB_R | TLB_W);
    fill(on, 1, TLB_R | TLB_X);
    expect(on.taken()).toEqual([]);
    fill(on, 2, TLB_R | TLB_X);
    expect(on.taken()).toEqual(['D9']);
  });

  it('is counted while the mitigation is off, until the vCPU flushes', () => {
    const off = scene(multihit);
    fill(off, 2, TLB_R | TLB_X);
    expect(off.cpu.counters[C.multihits]).toBe(0);
    fill(off, 1, TLB_R | TLB_X);
    expect(off.cpu.counters[C.multihits]).toBe(1);
    off.check.tlbFlushed(off.cpu, 0);
    expect(off.taken()).toEqual([]);
    expect(off.cpu.counters[C.multihitSteps]).toBeGreaterThanOrEqual(0);
  });
});

describe('a table', () => {
  it('is not freed under a translation that was read from it (D8), unless a flush is pending', () => {
    const { kvm, cpu, check, taken } = scene(freedTables);
    const sp = sptepToSp(kvm, hugeLeaf(kvm));
    const table = kvm.w[kvm.header(sp) + SP.table]!;
    const cursor = tlbCursor(kvm);
    expect(cursor.next(0)).toBe(true);
    const { vcpu, word } = cursor;
    check.walked(cpu, vcpu, table + 1);
    check.tlbFilled(cpu, vcpu, word);
    check.pageFreed(cpu, sp);
    expect(taken()).toEqual([]);
    check.walked(cpu, vcpu, table);
    check.tlbFilled(cpu, vcpu, word);
    check.pageFreed(cpu, sp);
    expect(taken()).toEqual(['D8']);
    kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests] = REQ_TLB_FLUSH;
    check.pageFreed(cpu, sp);
    expect(taken()).toEqual([]);
  });

  it('is not walked by the processor after it was freed (D8)', () => {
    const runtime = runtimeOf(nestedMigration, { stateChecks: [], stepChecks: [] });
    const { kvm } = runtime;
    const broke: string[] = [];
    kvm.observer.broken = (_cpu, { id }) => broke.push(id);
    const cpu = new PlainCpu(kvm.arena, new RunLog(), { actor: 1, name: 'L2 vCPU', cls: 'l2-vcpu' }, false);
    const vcpu = new Vcpu(kvm, cpu, 0);
    const slot = kvm.slots[1]!;
    const walk = (): void => {
      kvm.w[vcpu.word(VCPU.tlbEpoch)]!++;
      translate(vcpu, slot.baseGfn, ACCESS_READ).next();
    };
    walk();
    expect(broke).toEqual([]);
    kvm.w[kvm.tableOwner + kvm.w[kvm.header(sptepToSp(kvm, hugeLeaf(kvm))) + SP.table]!] = 0;
    walk();
    expect(broke).toEqual(['D8']);
  });
});
