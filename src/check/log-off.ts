/** Q48: a slot that is not logged has no dirty bitmap, which here means one without bits (kernel-facts 6.3). */
import type { StateCheck } from './types.ts';
import { KVM_MEM_LOG_DIRTY_PAGES } from '../mmu/memslot.ts';

export const logOffCheck: StateCheck = {
  ids: ['Q48'],
  when: 'end',
  run(kvm, broken) {
    // Whoever turns logging off frees the bitmap before it lets slots_lock go; with rings the words are user space's.
    if (kvm.w[kvm.slotsLock.state] !== 0 || kvm.config.ringEntries > 0) return;
    for (let i = 0; i < kvm.slots.length; i++) {
      const slot = kvm.slots[i]!;
      if ((kvm.w[slot.flagsWord]! & KVM_MEM_LOG_DIRTY_PAGES) !== 0) continue;
      const { dirtyBitmap, bitmapWords } = slot.layout;
      for (let word = dirtyBitmap; word < dirtyBitmap + bitmapWords; word++) {
        if (kvm.w[word] === 0) continue;
        broken('Q48', `slot ${slot.config.id} is not logged, and its dirty bitmap has bits`, [word]);
        break;
      }
    }
  },
};
