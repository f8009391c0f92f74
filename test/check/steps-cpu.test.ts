// D3: nobody sleeps where he must not.
import { describe, expect, it } from 'vitest';
import { sleepingAllocation } from '../../src/check/steps-cpu.ts';
import {
  HELD_MMU_READ,
  HELD_MMU_WRITE,
  HELD_RCU,
  HELD_SLOTS,
  HELD_TDP_PAGES,
  HELD_UNSYNC_PAGES,
} from '../../src/cpu/cpu.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import bothMmus from '../../scenarios/both-mmus.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { idsOf, violationsOf } from './judged-run.ts';
import { sceneOf } from './scene.ts';

const only = { stateChecks: [], stepChecks: [sleepingAllocation] };

describe('who sleeps (D3)', () => {
  it('holds neither mmu_lock nor a spinlock nor an RCU read section', () => {
    const { cpu, check, taken } = sceneOf(sleepingAllocation, nestedMigration);
    cpu.held = HELD_SLOTS;
    check.maySleep(cpu, 'sleeps');
    check.topup(cpu, true, 0);
    expect(taken()).toEqual([]);
    for (const held of [HELD_MMU_READ, HELD_MMU_WRITE, HELD_TDP_PAGES, HELD_UNSYNC_PAGES, HELD_RCU]) {
      cpu.held = held;
      check.maySleep(cpu, 'sleeps');
      expect(taken()).toEqual(['D3']);
    }
  });

  it.each([nestedMigration, bothMmus])('keeps to that in $name', (scenario) => {
    expect(violationsOf(scenario, { ...only, schedules: 20 })).toEqual([]);
  });

  it('is found when the split caches are filled without dropping the lock', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      needTopupSplitCachesOrResched(kvm, cpu, caches) {
        kvm.engine.topupSplitCaches(kvm, cpu, caches);
        return P1_ENGINE.needTopupSplitCachesOrResched(kvm, cpu, caches);
      },
    };
    expect(idsOf(nestedMigration, { ...only, engine })).toEqual(['D3']);
  });
});
