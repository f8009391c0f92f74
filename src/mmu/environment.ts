/**
 * Faults of the environment: what host and guest may do at any time though nothing calls for it. Each has a rate in
 * CastConfig; a rate of 0 draws nothing. Where an allocation outside the split caches is made, `allocationFails` has to be
 * asked first; the split caches have `allocFailRate`, and `need_resched()` has `reschedRate` (src/mmu/resched.ts). The sites
 * are listed in docs/actors.md, and test/mmu/allocation-sites.test.ts makes each of them fail.
 */
import type { Cpu } from '../cpu/cpu.ts';
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import type { Kvm } from './kvm.ts';
import type { Vcpu } from './vcpu.ts';
import { EXITING_GUEST_MODE, MODE_MASK, VCPU } from './vcpu-words.ts';

/** Most pauses of a slow acknowledgement and of a long stay outside guest mode; the least are half of it. */
const SLOW_ACK_PAUSES = 8;
const LONG_STAY_PAUSES = 32;

/**
 * -ENOMEM for whoever is about to allocate: per-vCPU caches, tables of the TDP MMU, roots, dirty bitmaps, memslots, frames of
 * the host.
 */
export function allocationFails(kvm: Kvm, cpu: Cpu): boolean {
  if (!cpu.chance(kvm.config.enomemRate)) return false;
  cpu.count(C.injectedEnomem);
  return true;
}

/** How many of `wanted` objects a topup of a split cache gets before the allocator refuses; all of them, as a rule. */
export function splitCacheAllowance(kvm: Kvm, cpu: Cpu, wanted: number): number {
  if (!cpu.chance(kvm.config.allocFailRate)) return wanted;
  cpu.count(C.injectedEnomem);
  return cpu.choose(wanted);
}

/** Is this access to take a page fault that nothing calls for? As when another vCPU has just fixed the entry. */
export function faultsForNothing({ kvm, cpu }: Vcpu): boolean {
  if (!cpu.chance(kvm.config.spuriousFaultRate)) return false;
  cpu.count(C.injectedFaults);
  return true;
}

/** A kicked vCPU may take its time before it leaves guest mode; whoever waits for the acknowledgement waits longer. */
export function* acknowledgeSlowly(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  const mode = vcpu.word(VCPU.mode);
  if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
  if ((cpu.load(mode) & MODE_MASK) !== EXITING_GUEST_MODE || !cpu.chance(kvm.config.slowAckRate)) return;
  cpu.count(C.injectedSlowAcks);
  yield* dawdle(vcpu, SLOW_ACK_PAUSES);
}

/** A vCPU may stay outside guest mode for a while: a long exit to user space, or its thread is not scheduled. */
export function* stayOutside(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  if (!cpu.chance(kvm.config.longExitRate)) return;
  cpu.count(C.injectedStays);
  yield* dawdle(vcpu, LONG_STAY_PAUSES);
}

/** Lets others run. A request for the vCPU cuts no pause short: it is not looking. */
function* dawdle(vcpu: Vcpu, most: number): Steps<void> {
  const { cpu } = vcpu;
  for (let pauses = most / 2 + cpu.choose(most / 2); pauses > 0; pauses--) {
    if (cpu.stepped && cpu.stops(Op.Pause, 0)) yield;
    cpu.relax(vcpu.word(VCPU.mode));
  }
}
