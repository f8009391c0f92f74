// INVEPT of L1 on every vCPU that may run L2: kernel-facts A7.
import { describe, expect, it } from 'vitest';
import { loadRoot } from '../../src/mmu/boot.ts';
import { handleL1Invept, inveptDone, leaveInvept, sendInvept } from '../../src/mmu/invept.ts';
import { activePages, Bench, identity, machineOf } from '../support/machines.ts';
import { spRootCount } from '../../src/mmu/shadow-page.ts';
import { enterGuest } from '../../src/mmu/vcpu.ts';
import { tlbEntries } from '../../src/mmu/tlb.ts';
import { EXITING_GUEST_MODE, MODE_MASK, REQ_EVENT, REQ_L1_INVEPT, VCPU } from '../../src/mmu/vcpu-words.ts';

/** Two vCPUs of L2 that have used root 0, and one of L1. */
function bench(): Bench {
  const made = new Bench(machineOf(identity(2, []), { backing: '2m', vcpus: 2, l1Vcpus: 1 }));
  for (const vcpu of [0, 1]) made.touch(made.slot.baseGfn, 'write', 0, vcpu);
  return made;
}

const requests = ({ kvm }: Bench, vcpu: number): number => kvm.w[kvm.vcpuWord(vcpu) + VCPU.requests]!;
const done = (b: Bench, generation: number): boolean => b.run(inveptDone(b.kvm, b.cpu, generation));

describe('INVEPT', () => {
  it('is asked of every vCPU that may run L2, and kicks those that do', () => {
    const b = bench();
    b.run(enterGuest(b.vcpu(1)));
    b.run(sendInvept(b.kvm, b.cpu, 1));
    expect([0, 1, 2].map((vcpu) => requests(b, vcpu) & REQ_L1_INVEPT)).toEqual([
      REQ_L1_INVEPT,
      REQ_L1_INVEPT,
      0,
    ]);
    expect(b.kvm.w[b.kvm.vcpuWord(1) + VCPU.mode]! & MODE_MASK).toBe(EXITING_GUEST_MODE);
  });

  it('is done when all have executed it, and each answer wakes L1 up', () => {
    const b = bench();
    const generation = b.run(sendInvept(b.kvm, b.cpu, 1));
    b.run(handleL1Invept(b.vcpu(0)));
    expect([done(b, generation), requests(b, 2) & REQ_EVENT]).toEqual([false, REQ_EVENT]);
    b.run(handleL1Invept(b.vcpu(1)));
    expect(done(b, generation)).toBe(true);
    expect(done(b, generation + 1)).toBe(false);
  });

  it('need not be waited for where L2 never runs again', () => {
    const b = bench();
    for (const vcpu of [0, 1]) b.run(leaveInvept(b.vcpu(vcpu)));
    expect(done(b, b.run(sendInvept(b.kvm, b.cpu, 1)))).toBe(true);
  });

  it('lets the roots go that were named, and their shadow pages stay', () => {
    const b = bench();
    const vcpu = b.vcpu(0);
    const root = vcpu.rootSp;
    const pages = activePages(b.kvm);
    b.run(sendInvept(b.kvm, b.cpu, 2));
    b.run(handleL1Invept(vcpu));
    expect(vcpu.rootSp).toBe(root);
    b.run(sendInvept(b.kvm, b.cpu, 1));
    b.run(handleL1Invept(vcpu));
    expect([vcpu.rootSp, spRootCount(b.kvm, root)]).toEqual([0, 1]);
    expect(activePages(b.kvm)).toEqual(pages);
  });

  it('leaves what the vCPU has cached of the root to the flush of the next load', () => {
    const b = bench();
    const vcpu = b.vcpu(0);
    const held = (): number => tlbEntries(b.kvm, 0).filter(({ root }) => root === 0).length;
    expect(held()).toBeGreaterThan(0);
    b.run(sendInvept(b.kvm, b.cpu, 1));
    // The request is honoured on the way into the guest, which fails for want of a root.
    expect(b.run(enterGuest(vcpu))).toBe(false);
    expect(held()).toBeGreaterThan(0);
    b.run(loadRoot(vcpu, 0));
    expect([held(), b.run(enterGuest(vcpu))]).toEqual([0, true]);
  });
});
