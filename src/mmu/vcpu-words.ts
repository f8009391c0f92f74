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
  /** Shadow page of each root (mmu->root and prev_roots), 0 if not loaded: MAX_ROOTS words, then that of EPT01. */
  roots: 8,
  /** Free entries left in the PML buffer minus one, as hardware's index; counts down (kernel-facts 2.8). */
  pmlIndex: 16,
  /** Dirty ring: next entry to write, next to be reset, next that user space harvests (free-running counts). */
  ringPush: 17,
  ringReset: 18,
  ringHarvest: 19,
  /** Generation of INVEPTs this vCPU has executed for L1; L1 waits for it (kernel-facts A7). */
  inveptDone: 20,
  /** Roots whose INVEPT L1 has asked this vCPU for: a bitmap; bit ROOT_L1 is unused. */
  inveptRoots: 21,
  /** Paging-structure cache: next entry to be replaced. */
  pscNext: 22,
  /** Ranges of gfns to be flushed (src/mmu/flush-range.ts): RANGE_SLOTS pairs of words, 64-bit aligned. */
  flushRanges: 24,
  /** Shadow page of the root that the cached entries of each root index belong to: hardware tags them with the EPTP. */
  tlbTags: 32,
} as const;

/** Ranges that can wait for a vCPU at once; a further one makes it a full flush. */
export const RANGE_SLOTS = 4;
/** Roots a vCPU can keep: the current one and KVM_MMU_NUM_PREV_ROOTS. */
export const MAX_ROOTS = 4;
/** The root index of EPT01, the tables of L1 itself: L1 runs on it, and it is no entry of `config.roots`. */
export const ROOT_L1 = MAX_ROOTS;
if (VCPU.roots + ROOT_L1 + 1 > VCPU.pmlIndex || VCPU.flushRanges + 2 * RANGE_SLOTS > VCPU.tlbTags)
  throw new Error('vCPU words overflow');
if (VCPU.tlbTags + ROOT_L1 + 1 > VCPU_WORDS) throw new Error('vCPU words overflow');

export const REQ_TLB_FLUSH = 1;
export const REQ_FREE_OBSOLETE_ROOTS = 2;
/** User space wants the vCPU thread out of KVM_RUN. */
export const REQ_PAUSE = 4;
/** L1 has sent this vCPU an IPI: it must execute INVEPT for the roots in `VCPU.inveptRoots`. */
export const REQ_L1_INVEPT = 8;
/** Something that a halted vCPU waits for has happened (KVM_REQ_EVENT); means nothing to one that runs. */
export const REQ_EVENT = 128;
/** KVM_REQ_MMU_SYNC: the vCPU must sync the unsync pages below its root before it enters the guest. */
export const REQ_MMU_SYNC = 64;
/** The vCPU's MMU context is reset (KVM_SET_SREGS, a change of CR4 or EFER): all its roots go (A25). */
export const REQ_MMU_RELOAD = 32;
/** Ranges in `VCPU.flushRanges` are to be flushed. */
export const REQ_TLB_FLUSH_RANGE = 256;

export const OUTSIDE_GUEST_MODE = 0;
export const IN_GUEST_MODE = 1;
export const EXITING_GUEST_MODE = 2;
/** A lockless walker with interrupts off (5.5): a flush waits for it. */
export const READING_SHADOW_PAGE_TABLES = 3;
export const MODE_MASK = 3;
export const SESSION_STEP = 4;
