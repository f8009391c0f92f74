/**
 * Walks over the tables of a vCPU's root by KVM itself, without mmu_lock (kernel-facts 5.5). Under a root of the TDP MMU
 * RCU keeps the tables there; under any other interrupts are off meanwhile, so that whoever frees a table waits with its
 * flush until the walk is over.
 */
import { Op, type Steps } from '../cpu/steps.ts';
import { KernelBug } from './bug.ts';
import { isLarge, isShadowPresent, sptePfn } from './format.ts';
import { roleLevel } from './role.ts';
import { spRole, spTable } from './shadow-page.ts';
import { walkIndex } from './shadow/walk-addr.ts';
import { isTdpSp } from './tdp/pages.ts';
import { rcuReadLock, rcuReadUnlock } from './tdp/rcu.ts';
import type { Vcpu } from './vcpu.ts';
import { MODE_MASK, OUTSIDE_GUEST_MODE, READING_SHADOW_PAGE_TABLES, VCPU } from './vcpu-words.ts';

/** walk_shadow_page_lockless_begin(). The vCPU has a root, and keeps it until the end. */
export function* walkLocklessBegin(vcpu: Vcpu): Steps<void> {
  if (isTdpSp(vcpu.kvm, vcpu.rootSp)) yield* rcuReadLock(vcpu.kvm, vcpu.cpu);
  else yield* setMode(vcpu, READING_SHADOW_PAGE_TABLES);
}

/** walk_shadow_page_lockless_end(). */
export function* walkLocklessEnd(vcpu: Vcpu): Steps<void> {
  if (isTdpSp(vcpu.kvm, vcpu.rootSp)) yield* rcuReadUnlock(vcpu.kvm, vcpu.cpu);
  else yield* setMode(vcpu, OUTSIDE_GUEST_MODE);
}

function* setMode(vcpu: Vcpu, value: number): Steps<void> {
  const { kvm, cpu } = vcpu;
  const mode = vcpu.word(VCPU.mode);
  const session = kvm.w[mode]! & ~MODE_MASK;
  if (cpu.stepped && cpu.stops(Op.Store, mode)) yield;
  cpu.store(mode, session | value);
  cpu.notify(mode);
}

/**
 * The last entry for `gfn` (of L2 or L1, as the root in use says), between begin and end.
 * @returns its sptep; its value is left in `cpu.lo/hi`
 */
export function* lastSptepLockless(vcpu: Vcpu, gfn: number): Steps<number> {
  const { kvm, cpu, rootSp } = vcpu;
  let table = spTable(kvm, rootSp);
  for (let level = roleLevel(spRole(kvm, rootSp)); ; level--) {
    const sptep = kvm.tablesQ + (table << kvm.tableBits) + walkIndex(kvm, gfn, level);
    if (cpu.stepped && cpu.stops(Op.Load64, sptep * 2)) yield;
    cpu.load64(sptep);
    if (kvm.w[kvm.tableOwner + table] === 0) {
      throw new KernelBug(
        'D25',
        `${cpu.name} reads table ${table} at gfn ${gfn}, level ${level}, and it was freed`,
        [sptep * 2],
      );
    }
    if (level === 1 || !isShadowPresent(cpu.lo) || isLarge(cpu.lo)) return sptep;
    table = sptePfn(cpu.lo, cpu.hi) - kvm.tablePfnBase;
  }
}

/**
 * get_walk(): goes down to the last entry for `gfn`, which is left in `cpu.lo/hi`.
 * @returns its sptep; 0 without a root
 */
export function* locklessWalk(vcpu: Vcpu, gfn: number): Steps<number> {
  const { cpu } = vcpu;
  if (vcpu.rootSp === 0) return 0;
  yield* walkLocklessBegin(vcpu);
  const sptep = yield* lastSptepLockless(vcpu, gfn);
  const { lo, hi } = cpu;
  yield* walkLocklessEnd(vcpu);
  cpu.lo = lo;
  cpu.hi = hi;
  return sptep;
}
