// Each guard of what concerns the whole VM, taken away: the checks must find out (design 6).
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/mmu/engine.ts';
import { roleInvalid } from '../../src/mmu/role.ts';
import { freeShadowPage, spRole } from '../../src/mmu/shadow-page.ts';
import { zapPages } from '../../src/mmu/shadow/zap.ts';
import { skipDirtyTracked } from '../../src/mmu/vm-wide-steps.ts';
import { zapMemslotOnly } from '../../src/mmu/memslot-change.ts';
import type { Given } from '../support/machines.ts';
import { castMachine, play, type Played } from '../support/vm-wide.ts';

const SCHEDULES = 30;
const NX: Given = { nx: true, execFraction: 0.4, nxRecoveryRatio: 1, reschedRate: 0.3 };

/** Enough pages, and reasons, to drop the lock between the two trees. */
const MANY: Given = {
  backing: '4k',
  memory: '128K',
  preempt: 'full',
  reschedRate: 0.7,
  rootSwitchRate: 0.5,
  castRounds: 6,
};

const zapping = (engine: Partial<Engine>, migration = true): Played =>
  play(
    castMachine([{ kind: 'zap-all', weights: { zapAllFast: 1 } }], MANY, { migration }),
    SCHEDULES,
    engine,
  );
const recovering = (engine: Partial<Engine>): Played =>
  play(castMachine([{ kind: 'nx-recovery' }], NX), SCHEDULES, engine);
const deleting = (engine: Partial<Engine>): Played =>
  play(castMachine([{ kind: 'memslots', weights: { recreate: 1 } }]), SCHEDULES, engine);

describe('a root of an old generation', () => {
  it('takes new mappings if faults do not look at the generation (D17, B-38)', () => {
    const played = zapping({ isObsoleteRoot: (kvm, sp) => roleInvalid(spRole(kvm, sp)) });
    expect(played.ids).toContain('D17');
  });

  it('is never let go of if nobody asks for it', () => {
    expect(zapping({ *requestFreeObsoleteRoots() {} }, false).text).toMatch(/Q49|livelock/);
  });

  it('is no concern of a fault whose reclaim takes the root away, if it looks afterwards (B-44)', () => {
    const zapsRoot: Partial<Engine> = {
      *makeMmuPagesAvailable(vcpu) {
        const { kvm, cpu, rootSp } = vcpu;
        if (rootSp !== 0 && cpu.chance(0.1)) yield* zapPages(kvm, cpu, [rootSp]);
        return 0;
      },
    };
    const machine = castMachine([]);
    expect(play(machine, SCHEDULES, zapsRoot).text).toBe('');
    expect(play(machine, SCHEDULES, { ...zapsRoot, reclaimsBeforeStaleCheck: false }).ids).toContain('D17');
  });
});

describe('NX recovery', () => {
  it('may leave dirty-tracked slots alone (6.2)', () => {
    expect(recovering({ nxRecoverySkips: skipDirtyTracked }).text).toBe('');
  });

  it('owes a flush, and pages, over a yield if it does not commit before (D20, Q53)', () => {
    expect(recovering({ *nxRecoveryBeforeYield() {} }).text).toMatch(/D20|Q4|Q53/);
  });

  it('leaves pages behind if it does not commit at its end (B-54, Q53)', () => {
    expect(recovering({ *nxRecoveryAtEnd() {} }).text).toMatch(/D20|Q4|Q53/);
  });

  it('gives tables away under the TLBs if it frees without a flush (Q51)', () => {
    const played = recovering({
      *nxRecoveryAtEnd(kvm, _cpu, owed) {
        for (const sp of owed.invalid.splice(0)) freeShadowPage(kvm, sp);
        owed.tdpFlush = false;
      },
    });
    expect(played.text).toMatch(/D8|D20|Q49|Q51/);
  });
});

describe('deleting a slot', () => {
  it('may zap that slot alone (6.12)', () => {
    expect(deleting({ flushShadowMemslot: zapMemslotOnly }).text).toBe('');
  });

  it('leaves mappings of freed memory if it zaps nothing (Q40)', () => {
    expect(deleting({ *flushShadowMemslot() {} }).ids).toContain('Q40');
  });
});
