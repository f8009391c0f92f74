/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (kernel-facts 1.7). */

/** KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE: GET only copies, CLEAR clears and protects. */
export const MANUAL_PROTECT_ENABLE = 1;
/** KVM_DIRTY_LOG_INITIALLY_SET: the bitmap starts all ones, and nothing is split or protected before its first CLEAR. */
export const INITIALLY_SET = 2;
