/**
 * INVEPT, as L1 does it after it has taken something away in its nested tables (kernel-facts A7). L1 sends an IPI to each
 * vCPU that may run L2 on them; there L1's handler executes INVEPT, which KVM emulates: the vCPU lets go of the roots, and
 * loading them again syncs what is unsync and flushes. L1 has halted meanwhile, and wakes up as the answers come in.
 */
import { C } from '../cpu/counters.ts';
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { KVM, type Kvm } from './kvm.ts';
import { freeRoots } from './roots.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  MODE_MASK,
  REQ_EVENT,
  REQ_L1_INVEPT,
  VCPU,
} from './vcpu-words.ts';
import type { Vcpu } from './vcpu.ts';

/** Generation that a vCPU which never runs L2 again reports: it uses no translation. */
export const GONE_HOME = 0x7fffffff;

/** First vCPU that runs L1; those below run L2. */
const firstL1Vcpu = ({ config }: Kvm): number => config.vcpus - config.l1Vcpus;

/**
 * L1 asks every vCPU that may run L2 to execute INVEPT for `roots` (bits by root index). L1 holds its own lock over its
 * tables, so there is one request at a time.
 * @returns the generation to wait for with `inveptDone`
 */
export function* sendInvept(kvm: Kvm, cpu: Cpu, roots: number): Steps<number> {
  const word = kvm.base + KVM.inveptRequest;
  if (cpu.stepped && cpu.stops(Op.Add, word)) yield;
  const generation = cpu.add(word, 1) + 1;
  for (let vcpu = 0; vcpu < firstL1Vcpu(kvm); vcpu++) {
    const words = kvm.vcpuWord(vcpu);
    if (cpu.stepped && cpu.stops(Op.Or, words + VCPU.inveptRoots)) yield;
    cpu.or(words + VCPU.inveptRoots, roots);
    if (cpu.stepped && cpu.stops(Op.Or, words + VCPU.requests)) yield;
    cpu.or(words + VCPU.requests, REQ_L1_INVEPT);
    const mode = words + VCPU.mode;
    if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
    const seen = cpu.load(mode);
    if ((seen & MODE_MASK) !== IN_GUEST_MODE) continue;
    // If this fails the vCPU is on its way out, and looks at its requests before it enters again (D26).
    if (cpu.stepped && cpu.stops(Op.CompareExchange, mode)) yield;
    cpu.compareExchange(mode, seen, (seen & ~MODE_MASK) | EXITING_GUEST_MODE);
  }
  return generation;
}

/** True once every vCPU that may run L2 has executed the INVEPT of `generation`. */
export function* inveptDone(kvm: Kvm, cpu: Cpu, generation: number): Steps<boolean> {
  for (let vcpu = 0; vcpu < firstL1Vcpu(kvm); vcpu++) {
    const word = kvm.vcpuWord(vcpu) + VCPU.inveptDone;
    if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
    if (cpu.load(word) < generation) return false;
  }
  return true;
}

/**
 * Default of `Engine.handleL1Invept`: L1's handler and handle_invept() on a vCPU that runs L2. Roots in use and roots
 * kept for later go alike; shadow pages stay where they are, and nothing is synced before the next load.
 */
export function* handleL1Invept(vcpu: Vcpu): Steps<void> {
  const { kvm, cpu } = vcpu;
  cpu.count(C.inveptExits);
  // The generation first: roots asked for later belong to a later one.
  const request = kvm.base + KVM.inveptRequest;
  if (cpu.stepped && cpu.stops(Op.Load, request)) yield;
  const generation = cpu.load(request);
  const asked = vcpu.word(VCPU.inveptRoots);
  if (cpu.stepped && cpu.stops(Op.Exchange, asked)) yield;
  const roots = cpu.exchange(asked, 0);
  yield* freeRoots(vcpu, (_sp, root) => (roots & (1 << root)) !== 0);
  yield* answerInvept(vcpu, generation);
}

/** A vCPU that runs L2 has come to its end: L1 need not wait for it any more. */
export function* leaveInvept(vcpu: Vcpu): Steps<void> {
  if (vcpu.index < firstL1Vcpu(vcpu.kvm)) yield* answerInvept(vcpu, GONE_HOME);
}

function* answerInvept(vcpu: Vcpu, generation: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  const done = vcpu.word(VCPU.inveptDone);
  if (cpu.stepped && cpu.stops(Op.Store, done)) yield;
  cpu.store(done, generation);
  for (let l1 = firstL1Vcpu(kvm); l1 < kvm.config.vcpus; l1++) {
    const requests = kvm.vcpuWord(l1) + VCPU.requests;
    if (cpu.stepped && cpu.stops(Op.Or, requests)) yield;
    cpu.or(requests, REQ_EVENT);
    cpu.notify(requests);
  }
}
