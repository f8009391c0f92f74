/** Results of a split attempt (kernel-facts 2.8). */
export const EAGAIN = -11;
export const ENOMEM = -12;
export const ENOSPC = -28;

export const ERRNO_NAMES: Readonly<Record<number, string>> = {
  0: 'ok',
  [EAGAIN]: 'EAGAIN',
  [ENOMEM]: 'ENOMEM',
  [ENOSPC]: 'ENOSPC',
};

/** RET_PF_* (kernel-facts 2.6). */
export const RET_PF_RETRY = 1;
export const RET_PF_EMULATE = 2;
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
