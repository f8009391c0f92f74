/**
 * The cast: everything KVM lets run against eager splitting, beside the vCPUs and the migration (kernel-facts 5.1).
 * One file per actor; each has named moves, and draws one per round by weight from its own workload stream.
 */
import type { Steps } from '../cpu/steps.ts';
import type { ActorContext, CastKind, CastOptions } from './context.ts';
import { L1_VCPU } from './l1-vcpu.ts';
import { LOG_TOGGLE } from './log-toggle.ts';
import { MEMSLOTS } from './memslots.ts';
import { MMU_NOTIFIER } from './mmu-notifier.ts';
import { NX_RECOVERY } from './nx-recovery.ts';
import { PAGE_AGING } from './page-aging.ts';
import { RECLAIM } from './reclaim.ts';
import { VM_TEARDOWN } from './vm-teardown.ts';
import { ZAP_ALL } from './zap-all.ts';

export interface CastMember {
  /** One sentence for `list`. */
  readonly summary: string;
  /** Rows of kernel-facts 5.1. */
  readonly facts: readonly string[];
  /** Names of its moves with their default weights. */
  readonly moves: Readonly<Record<string, number>>;
  readonly run: (context: ActorContext, options: CastOptions) => Steps<void>;
}

export const CAST: Partial<Record<CastKind, CastMember>> = {
  'l1-vcpu': L1_VCPU,
  'mmu-notifier': MMU_NOTIFIER,
  'page-aging': PAGE_AGING,
  'nx-recovery': NX_RECOVERY,
  reclaim: RECLAIM,
  memslots: MEMSLOTS,
  'zap-all': ZAP_ALL,
  'log-toggle': LOG_TOGGLE,
  'vm-teardown': VM_TEARDOWN,
};
