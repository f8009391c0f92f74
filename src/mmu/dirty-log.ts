/** Dirty logging, as actors use it (kernel-facts 3.1, A13 to A17). */
export {
  disableDirtyLogging,
  enableDirtyLogging,
  isLogged,
  slotRemoveWriteAccess,
  splitInline,
} from './log/enable.ts';
export type { SplitDriver } from './log/enable.ts';
export { clearDirtyLog, getDirtyLog } from './log/harvest.ts';
export { INITIALLY_SET, MANUAL_PROTECT_ENABLE } from './log/manual-protect.ts';
export { emulateWrite, markPageDirty } from './log/mark.ts';
export { BITS_PER_LONG, popcount } from './log/words.ts';
