/** Locks the statistics know, in the order of their ids. */
export const LOCK_NAMES = ['mmu_lock', 'slots_lock'] as const;
export const LOCK_MMU = 0;
export const LOCK_SLOTS = 1;
