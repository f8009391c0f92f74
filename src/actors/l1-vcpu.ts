/**
 * A vCPU that runs L1 itself, on EPT01 (design 5): reads, writes and fetches its memory, and edits the tables it has made
 * for L2 (kernel-facts A5 to A8). It behaves well: after taking something away it executes INVEPT on every vCPU that may
 * run L2 before it goes on. What L2 then finds unmapped or forbidden, L1 answers; the L2 vCPU takes it for done.
 */
import type { Steps } from '../cpu/steps.ts';
import { Vcpu } from '../mmu/vcpu.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { L1Guest, type L1Move } from './l1-guest.ts';
import { runVcpu } from './run-vcpu.ts';

const WEIGHTS: Readonly<Record<L1Move, number>> = {
  read: 4,
  write: 4,
  exec: 1,
  map: 2,
  unmap: 1,
  remap: 2,
  alias: 2,
  protect: 2,
  partial: 1,
  hugeToTable: 2,
  tableToHuge: 2,
  reuse: 1,
  // Not part of the default cast: hypervisors hardly ever do it.
  executeOnly: 0,
  tableExec: 0,
  unmapTable: 0,
  scatter: 0,
};

export const L1_VCPU: CastMember = {
  summary: 'L1 uses its memory through the TDP MMU and edits its nested tables',
  facts: ['A1', 'A5', 'A6', 'A7', 'A8'],
  moves: WEIGHTS,
  run: l1Vcpu,
};

export function* l1Vcpu(context: ActorContext, options: CastOptions): Steps<void> {
  const vcpu = new Vcpu(context.kvm, context.cpu, options.index);
  yield* runVcpu(vcpu, new L1Guest(vcpu, options));
}
