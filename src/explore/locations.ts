/** Groups of words of this machine that strategies treat as one location (explorer notes 4.4): locks, requests, logs, tables. */
import type { Kvm } from '../mmu/kvm.ts';
import type { GroupOf } from './profile.ts';

const LOCKS = 0;
const REQUESTS = 1;
const LOGS = 2;
const MEMORY = 3;
const FIRST_TABLE = 16;

/** The group of a word: the VM's words (mmu_lock and the others), the vCPUs' words, the dirty logs, guest memory, one table. */
export function locationGroups(kvm: Kvm): GroupOf {
  const { layout } = kvm;
  const tableShift = kvm.tableBits + 1;
  const memoryEnd = layout.memory + layout.dims.pfns;
  return (word) => {
    if (word >= layout.tables) return FIRST_TABLE + 2 * ((word - layout.tables) >> tableShift);
    if (word >= layout.guestTables) return FIRST_TABLE + 1 + 2 * ((word - layout.guestTables) >> tableShift);
    if (word >= layout.memory && word < memoryEnd) return MEMORY;
    if (word >= layout.kvm && word < layout.vcpus) return LOCKS;
    if (word >= layout.vcpus && word < layout.pools) return REQUESTS;
    for (const slot of layout.slots) {
      if (word >= slot.dirtyBitmap && word < slot.dirtyBitmap + slot.bitmapWords) return LOGS;
    }
    return -1;
  };
}
