/**
 * State checks of write protection and the dirty log (kernel-facts 6.3): Q42, Q43, Q44, Q46.
 *
 * All are about slots whose logging has been turned on completely. A harvest takes bits before it write-protects; in
 * between, `deferredFlush` is set.
 */
import { INITIALLY_SET } from '../mmu/dirty-log.ts';
import { KVM_MAX_HUGEPAGE_LEVEL } from '../mmu/config.ts';
import { isShadowPresent, isWritable, SPTE_PS } from '../mmu/format.ts';
import { KVM, type Kvm } from '../mmu/kvm.ts';
import { inDirtyRing } from '../mmu/log/dirty-ring.ts';
import { inPmlBuffer } from '../mmu/log/pml.ts';
import type { MemSlot } from '../mmu/memslot.ts';
import { roleInvalid } from '../mmu/role.ts';
import { spRole, sptepToSp } from '../mmu/shadow-page.ts';
import { splitsEagerly } from '../mmu/shadow/split.ts';
import { VCPU } from '../mmu/vcpu-words.ts';
import { isFollowedByPml, isFullyLogged, isHarvesting, isOnFastPath, mayBeFastFixed } from './dirty-tdp.ts';
import { type HeadCursor, headCursor } from './head-cursor.ts';
import { hex, sptepName } from './naming.ts';
import type { ReportBroken, StateCheck } from './types.ts';

export const dirtyLogCheck: StateCheck = {
  ids: ['Q42', 'Q43', 'Q44', 'Q45', 'Q46'],
  when: 'release',
  run(kvm, broken) {
    const cursor = headCursor(kvm);
    const manual = kvm.get(KVM.manualProtect);
    const clearing = isHarvesting(kvm);
    for (let i = 0; i < kvm.slots.length; i++) {
      const slot = kvm.slots[i]!;
      if (!isFullyLogged(kvm, slot)) continue;
      if ((manual & INITIALLY_SET) === 0) checkHugeLeaves(kvm, cursor, slot, broken);
      if (!clearing) checkWritableLeaves(kvm, cursor, slot, broken);
      if ((kvm.get(KVM.firstCopyDone) & (1 << i)) !== 0) checkContents(kvm, slot, broken);
    }
  },
};

/** A present huge leaf of a valid shadow page: the only kind that a walk from a root may meet. */
export function isLiveHugeLeaf(kvm: Kvm, sptep: number): boolean {
  const lo = kvm.w[sptep * 2]!;
  if (!isShadowPresent(lo) || (lo & SPTE_PS) === 0) return false;
  const sp = sptepToSp(kvm, sptep);
  return sp > 0 && sp <= kvm.layout.dims.tables && !roleInvalid(spRole(kvm, sp));
}

/** The first live huge leaf in the heads that cover [start, end) at `level`, or 0. The first head always counts (B-01). */
export function findHugeLeaf(
  kvm: Kvm,
  cursor: HeadCursor,
  slot: MemSlot,
  level: number,
  start: number,
  end: number,
): number {
  const last = slot.rmapWord(Math.max(end - 1, start), level);
  for (let head = slot.rmapWord(start, level); head <= last; head++) {
    for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next()) {
      if (isLiveHugeLeaf(kvm, sptep)) return sptep;
    }
  }
  return 0;
}

/** Q42: none of them writable. Q43: none at all, if the split never gave up. */
function checkHugeLeaves(kvm: Kvm, cursor: HeadCursor, slot: MemSlot, broken: ReportBroken): void {
  const { w } = kvm;
  const allSplit = splitsEagerly(kvm) && kvm.get(KVM.splitFailures) === 0;
  let writable = false;
  let left = false;
  for (let level = KVM_MAX_HUGEPAGE_LEVEL; level > 1; level--) {
    const last = slot.rmapWord(slot.baseGfn + slot.npages - 1, level);
    for (let head = slot.rmapWord(slot.baseGfn, level); head <= last; head++) {
      if (w[head] === 0) continue;
      for (let sptep = cursor.first(head); sptep !== 0; sptep = cursor.next()) {
        if (!isLiveHugeLeaf(kvm, sptep)) continue;
        if (!writable && isWritable(w[sptep * 2]!)) {
          writable = true;
          broken('Q42', `logging is on, but ${sptepName(kvm, sptep)} maps a writable level-${level} page`, [
            sptep * 2,
            head,
          ]);
        }
        if (allSplit && !left) {
          left = true;
          broken(
            'Q43',
            `every split succeeded, but ${sptepName(kvm, sptep)} still maps a level-${level} page`,
            [sptep * 2, head],
          );
        }
      }
    }
  }
}

/** Q44, Q45: a 4K leaf that is writable, or dirty where PML follows it, with its page not in the log would let writes go unseen. */
function checkWritableLeaves(kvm: Kvm, cursor: HeadCursor, slot: MemSlot, broken: ReportBroken): void {
  const { w } = kvm;
  const { dirtyBitmap } = slot.layout;
  const rings = kvm.config.ringEntries > 0;
  const heads = slot.rmapWord(slot.baseGfn, 1);
  for (let page = 0; page < slot.npages; page++) {
    // With rings the words are what user space has harvested, which says nothing of what KVM still knows.
    if (w[heads + page] === 0) continue;
    if (!rings && (w[dirtyBitmap + (page >>> 5)]! & (1 << (page & 31))) !== 0) continue;
    for (let sptep = cursor.first(heads + page); sptep !== 0; sptep = cursor.next()) {
      const lo = w[sptep * 2]!;
      if (!isShadowPresent(lo) || !isWritable(lo)) continue;
      if (rings && inDirtyRing(kvm, slot, slot.baseGfn + page)) break;
      const byDirtyBit = isFollowedByPml(kvm, w[sptep * 2 + 1]!);
      if (byDirtyBit && ((lo & kvm.format.dirtyLo) === 0 || inPmlBuffer(kvm, slot, slot.baseGfn + page)))
        continue;
      if (mayBeFastFixed(kvm, sptep)) continue;
      broken(
        byDirtyBit ? 'Q45' : 'Q44',
        `gfn ${hex(slot.baseGfn + page)} is ${byDirtyBit ? 'dirty' : 'writable'} through ${sptepName(kvm, sptep)}, but not in the log`,
        [sptep * 2, dirtyBitmap + (page >>> 5)],
      );
      return;
    }
  }
}

/** Q46: content that differs from what user space copied last is named by the log or by what user space has in hand. */
function checkContents(kvm: Kvm, slot: MemSlot, broken: ReportBroken): void {
  const { w } = kvm;
  const { destination, dirtyBitmap, userBitmap } = slot.layout;
  for (let page = 0; page < slot.npages; page++) {
    const content = kvm.layout.memory + slot.pfn(slot.baseGfn + page);
    if (w[content] === w[destination + page]) continue;
    const word = page >>> 5;
    if (((w[dirtyBitmap + word]! | w[userBitmap + word]!) & (1 << (page & 31))) !== 0) continue;
    // A page that the host has taken away has its content elsewhere, and nobody can write it meanwhile.
    if (!slot.hostPresent(slot.baseGfn + page)) continue;
    if (inDirtyRing(kvm, slot, slot.baseGfn + page) || inPmlBuffer(kvm, slot, slot.baseGfn + page)) continue;
    if (emulationMayBeInFlight(kvm, slot.baseGfn + page)) continue;
    // The fast path has made the page writable and not marked it yet: another vCPU may have written it already (D19).
    if (isOnFastPath(kvm)) continue;
    broken(
      'Q46',
      `gfn ${hex(slot.baseGfn + page)} has version ${w[content]}, version ${w[destination + page]} was copied, ` +
        'and neither the log nor user space knows',
      [content, destination + page, dirtyBitmap + word, userBitmap + word],
    );
    return;
  }
}

/** KVM stores an emulated write first and marks the page then, inside one SRCU section (B-08). */
function emulationMayBeInFlight(kvm: Kvm, gfn: number): boolean {
  const { config, w } = kvm;
  if (gfn < config.tableGfn || gfn >= config.tableGfn + config.tablePages) return false;
  for (let vcpu = 0; vcpu < config.vcpus; vcpu++) {
    if ((w[kvm.vcpuWord(vcpu) + VCPU.srcu]! & 1) !== 0) return true;
  }
  return false;
}
