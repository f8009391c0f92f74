/** Locks the statistics know, by id. */
export const LOCK_MMU = 0;
export const LOCK_SLOTS = 1;
