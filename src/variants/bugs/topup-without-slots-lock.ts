import { mutexLock, mutexUnlock } from '../../locks/mutex.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'topup-without-slots-lock',
  summary: 'the topup gives slots_lock up together with mmu_lock',
  id: 'dropLockNoSlotsLock',
  year: 2022,
  wrong:
    'The split caches belong to the holder of slots_lock. Who drops it for the topup lets another ioctl ' +
    'use them, and change the slot under the pass.',
  needs: 'A topup in one ioctl while another one waits.',
  expected: 'D2',
  facts: ['3.6'],
  scenario: 'nested-migration',
  apply: () => ({
    *topupUnlocked(kvm, cpu, caches) {
      yield* mutexUnlock(cpu, kvm.slotsLock);
      const result = kvm.engine.topupSplitCaches(kvm, cpu, caches);
      yield* mutexLock(cpu, kvm.slotsLock);
      return result;
    },
  }),
});
