/** D21: locks are taken from the outside in (kernel-facts 1.4, 6.5). A look at what the actor holds, per lock taken. */
import {
  type Cpu,
  HELD_HOST,
  HELD_MMU_READ,
  HELD_MMU_WRITE,
  HELD_RCU,
  HELD_SLOTS,
  HELD_SLOTS_ARCH,
  HELD_TDP_PAGES,
  HELD_UNSYNC_PAGES,
} from '../cpu/cpu.ts';
import { StepCheckBase } from './step-check.ts';
import type { StepCheckFamily } from './types.ts';

const MMU = HELD_MMU_READ | HELD_MMU_WRITE;
const INNER = HELD_TDP_PAGES | HELD_UNSYNC_PAGES;

/**
 * What must not be held when a lock is taken: itself, and everything inside it. The host's page-table locks are around
 * mmu_lock, as a notifier takes it under them; inside RCU nothing that sleeps may be taken, and mmu_lock only is not one.
 */
const FORBIDDEN: Readonly<Record<string, number>> = {
  slots_lock: HELD_SLOTS | HELD_SLOTS_ARCH | HELD_HOST | MMU | INNER | HELD_RCU,
  slots_arch_lock: HELD_SLOTS_ARCH | HELD_HOST | MMU | INNER | HELD_RCU,
  mmap_lock: HELD_HOST | MMU | INNER | HELD_RCU,
  host_lock: HELD_HOST | MMU | INNER | HELD_RCU,
  mmu_lock: MMU | INNER | HELD_RCU,
  tdp_mmu_pages_lock: INNER,
  mmu_unsync_pages_lock: INNER,
};

const HELD_NAMES: readonly (readonly [bit: number, name: string])[] = [
  [HELD_SLOTS, 'slots_lock'],
  [HELD_SLOTS_ARCH, 'slots_arch_lock'],
  [HELD_HOST, 'the page-table locks of the host'],
  [HELD_MMU_WRITE, 'mmu_lock for write'],
  [HELD_MMU_READ, 'mmu_lock for read'],
  [HELD_TDP_PAGES, 'tdp_mmu_pages_lock'],
  [HELD_UNSYNC_PAGES, 'mmu_unsync_pages_lock'],
  [HELD_RCU, 'an RCU read section'],
];

/** `mmu_lock for write and an RCU read section`. */
export const heldNames = (held: number): string =>
  HELD_NAMES.filter(([bit]) => (held & bit) !== 0)
    .map(([, name]) => name)
    .join(' and ');

class LockOrder extends StepCheckBase {
  override begin(): void {}

  override lockOrder(cpu: Cpu, lock: string, taken: boolean): void {
    if (!taken) return;
    const wrong = cpu.held & (FORBIDDEN[lock] ?? 0);
    if (wrong === 0) return;
    this.report(cpu, 'D21', `${cpu.name} takes ${lock} while it holds ${heldNames(wrong)}`);
  }
}

export const lockOrder: StepCheckFamily = {
  ids: ['D21'],
  make: (kvm, broken) => new LockOrder(kvm, broken),
};
