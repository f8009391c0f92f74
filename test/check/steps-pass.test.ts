// Q5 and Q33 of the shadow MMU's split.
import { describe, expect, it } from 'vitest';
import { splitPasses } from '../../src/check/steps-pass.ts';
import { splitContents } from '../../src/check/steps-split.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import { KVM } from '../../src/mmu/kvm.ts';
import { accountHugeNxPage } from '../../src/mmu/nx-list.ts';
import enospc from '../../scenarios/enospc.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import { idsOf, violationsOf } from './judged-run.ts';
import { sceneOf } from './scene.ts';

describe('a split', () => {
  it('leaves five pages for faults (Q5)', () => {
    const { kvm, cpu, check, taken } = sceneOf(splitPasses, nestedMigration);
    const most = kvm.get(KVM.nMax) - 5;
    kvm.put(KVM.nUsed, most);
    check.splitAttempt(cpu, 0, 2, 0, 0, 0);
    check.yieldCheck(cpu);
    expect(taken()).toEqual([]);
    kvm.put(KVM.nUsed, most + 1);
    check.splitAttempt(cpu, 0, 2, 0, 0, 0);
    expect(taken()).toEqual(['Q5']);
  });

  it('does so at the limit, and an engine that makes two pages for one is found (Q5)', () => {
    const only = { stateChecks: [], stepChecks: [splitPasses] };
    expect(violationsOf(enospc, { ...only, schedules: 20 })).toEqual([]);
    const engine: Partial<typeof P1_ENGINE> = {
      getSpForSplit(pass, hugeSptep) {
        pass.kvm.put(KVM.nUsed, pass.kvm.get(KVM.nUsed) + 1);
        return P1_ENGINE.getSpForSplit(pass, hugeSptep);
      },
    };
    expect(idsOf(enospc, { ...only, engine, schedules: 60 })).toEqual(['Q5']);
  });

  it('marks no page that it makes as nx-disallowed (Q33)', () => {
    const engine: Partial<typeof P1_ENGINE> = {
      getSpForSplit(pass, hugeSptep) {
        const sp = P1_ENGINE.getSpForSplit(pass, hugeSptep);
        accountHugeNxPage(pass.kvm, pass.cpu, sp);
        return sp;
      },
    };
    const only = { stateChecks: [], stepChecks: [splitContents] };
    expect(idsOf(nestedMigration, { ...only, engine })).toEqual(['Q33']);
  });
});
