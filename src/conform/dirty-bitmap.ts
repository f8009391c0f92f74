/** User space's side of KVM_GET_DIRTY_LOG: the bitmap that it gets, as runs. */
import type { Kvm } from '../mmu/kvm.ts';
import type { MemSlot } from '../mmu/memslot.ts';

/** Runs that a recording lists. */
const LISTED_RUNS = 16;

export interface DirtyPages {
  readonly dirty_runs: Array<[gfn: number, length: number]>;
  readonly n_runs: number;
  readonly dirty_total: number;
}

export function dirtyPages(kvm: Kvm, slot: MemSlot): DirtyPages {
  const runs: Array<[number, number]> = [];
  let total = 0;
  for (let word = 0; word < slot.layout.bitmapWords; word++) {
    const bits = kvm.w[slot.layout.userBitmap + word]!;
    if (bits === 0) continue;
    for (let bit = 0; bit < 32; bit++) {
      if ((bits & (1 << bit)) === 0) continue;
      total++;
      const gfn = slot.baseGfn + word * 32 + bit;
      const last = runs.at(-1);
      if (last !== undefined && last[0] + last[1] === gfn) last[1]++;
      else runs.push([gfn, 1]);
    }
  }
  return { dirty_runs: runs.slice(0, LISTED_RUNS), n_runs: runs.length, dirty_total: total };
}

/** User space hands in a bitmap of zeroes. */
export function clearUserBitmap(kvm: Kvm, slot: MemSlot): void {
  const { userBitmap, bitmapWords } = slot.layout;
  kvm.arena.touchRange(userBitmap, bitmapWords);
  kvm.w.fill(0, userBitmap, userBitmap + bitmapWords);
}
