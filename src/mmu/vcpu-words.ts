/** The shared words of a vCPU, its modes and requests (kernel-facts 2.8). */
import { VCPU_WORDS } from '../arena/layout.ts';

/** Offsets in a vCPU's words. */
export const VCPU = {
  requests: 0,
  /** Session number shifted left by 2, and the mode: one word, so that an acknowledgement is any change of it. */
  mode: 1,
  /** Odd while the vCPU is inside an SRCU read section. */
  srcu: 2,
  /** Root in use: index into the machine's L1 roots. */
  root: 3,
  tlbEpoch: 4,
  /** Guest operations done; progress. */
  ops: 5,
  /** 1 while the vCPU thread is out of KVM_RUN on user space's request. */
  paused: 6,
  /** Shadow page of each root (mmu->root and prev_roots), 0 if not loaded: four words. */
  roots: 8,
} as const;

/** Roots a vCPU can keep: the current one and KVM_MMU_NUM_PREV_ROOTS. */
export const MAX_ROOTS = 4;
if (VCPU.roots + MAX_ROOTS > VCPU_WORDS) throw new Error('vCPU words overflow');

export const REQ_TLB_FLUSH = 1;
export const REQ_FREE_OBSOLETE_ROOTS = 2;
/** User space wants the vCPU thread out of KVM_RUN. */
export const REQ_PAUSE = 4;

export const OUTSIDE_GUEST_MODE = 0;
export const IN_GUEST_MODE = 1;
export const EXITING_GUEST_MODE = 2;
export const MODE_MASK = 3;
export const SESSION_STEP = 4;
