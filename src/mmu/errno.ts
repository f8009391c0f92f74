/** Results of a split attempt (kernel-facts 2.8). */
export const EAGAIN = -11;
export const ENOMEM = -12;
export const EBUSY = -16;
export const ENOSPC = -28;

/** Refusals of ioctls: no bitmap of that slot, the dirty ring in its place, no such thing. */
export const ENOENT = -2;
/** A sync that may not give mmu_lock up, and has to. */
export const EINTR = -4;
export const ENXIO = -6;
/** Also of a split, in designs that do not touch a child that exists. */
export const EEXIST = -17;
export const EINVAL = -22;

export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  0: 'ok',
  [EAGAIN]: 'EAGAIN',
  [ENOMEM]: 'ENOMEM',
  [EBUSY]: 'EBUSY',
  [ENOSPC]: 'ENOSPC',
  [EEXIST]: 'EEXIST',
};

/** RET_PF_* (kernel-facts 2.6). */
export const RET_PF_RETRY = 1;
export const RET_PF_EMULATE = 2;
export const RET_PF_INVALID = 3;
export const RET_PF_FIXED = 4;
export const RET_PF_SPURIOUS = 5;
/** Not KVM's: L1 gets the violation, as its own tables forbid the access. */
export const RET_PF_INJECT = 6;

export const RET_PF_NAMES: Readonly<Record<number, string>> = {
  [RET_PF_RETRY]: 'RETRY',
  [RET_PF_EMULATE]: 'EMULATE',
  [RET_PF_FIXED]: 'FIXED',
  [RET_PF_SPURIOUS]: 'SPURIOUS',
  [RET_PF_INJECT]: 'injected into L1',
};
