/** When the tables of the TDP MMU stand still. */
import type { Kvm } from '../mmu/kvm.ts';

/** Where qrwlock counts readers (kernel-facts 2.8, _QR_SHIFT). */
const READERS_SHIFT = 9;

/**
 * True while somebody holds mmu_lock for read, or walks the tables without it: the fast path has W before the page is in the
 * log (kernel-facts D19).
 */
export function hasReaders(kvm: Kvm): boolean {
  if (kvm.w[kvm.mmuLock.cnts]! >>> READERS_SHIFT !== 0) return true;
  if (kvm.config.l1Vcpus === 0) return false;
  const { dims, rcu } = kvm.layout;
  for (let actor = 0; actor < Math.max(dims.actors, dims.vcpus); actor++) {
    if (kvm.w[rcu + actor] !== 0) return true;
  }
  return false;
}
