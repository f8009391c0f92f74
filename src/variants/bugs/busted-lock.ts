import { noteWriteAcquired, noteWriteReleased } from '../../locks/qrwlock.ts';
import { Op } from '../../cpu/steps.ts';
import { defineVariant } from '../define.ts';

/**
 * A write lock that does nothing, after locktorture's "busted" lock: it proves that the checks notice a lock that does
 * not exclude. It still touches the lock word, so that there is a point at which others can come in.
 */
export default defineVariant({
  name: 'busted-lock',
  summary: 'mmu_lock does not exclude anybody',
  kind: 'bug',
  facts: ['D1', '10.1'],
  caughtBy: ['D1'],
  apply: () => ({
    *writeLock(cpu, lock) {
      if (cpu.stepped && cpu.stops(Op.Load, lock.cnts)) yield;
      cpu.load(lock.cnts);
      noteWriteAcquired(cpu, lock, false, 0);
    },
    *writeUnlock(cpu, lock) {
      noteWriteReleased(cpu);
      if (cpu.stepped && cpu.stops(Op.Load, lock.cnts)) yield;
      cpu.load(lock.cnts);
      lock.watch?.released(cpu, true);
    },
  }),
});
