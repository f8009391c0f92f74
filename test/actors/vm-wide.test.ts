// kernel-facts A18 to A25, A27: what concerns the whole VM, against a migration and L2, under every check.
import { describe, expect, it } from 'vitest';
import type { CounterName } from '../../src/cpu/counters.ts';
import type { CastSpec } from '../../src/scenario/define.ts';
import { castMachine, EXTRA_PAGES, play } from '../support/vm-wide.ts';
import type { Given } from '../support/machines.ts';

const SCHEDULES = 8;
const MOVED = [{ pages: EXTRA_PAGES }, { pages: EXTRA_PAGES, gone: true, sharesMemoryOf: 2 }];

interface Case {
  readonly cast: readonly CastSpec[];
  readonly given?: Given;
  readonly moved?: boolean;
  /** What must have happened, or the case shows nothing. */
  readonly happens: readonly CounterName[];
}

const CASES: Readonly<Record<string, Case>> = {
  'zapping all by a new generation': {
    cast: [{ kind: 'zap-all', weights: { zapAllFast: 1 } }],
    happens: ['zapAlls', 'obsoleteZapped'],
  },
  'zapping all with the lock dropped at every chance': {
    cast: [{ kind: 'zap-all', weights: { zapAllFast: 1 } }],
    given: { reschedRate: 0.5, preempt: 'full' },
    happens: ['zapAlls', 'obsoleteZapped'],
  },
  'zapping ranges': {
    cast: [{ kind: 'zap-all', weights: { zapGfnRange: 1 } }],
    given: { reschedRate: 0.1, preempt: 'full', castRounds: 8 },
    happens: ['flushMemslot'],
  },
  'resetting the MMU of vCPUs': {
    cast: [{ kind: 'zap-all', weights: { unload: 2, zapAllFast: 1 } }],
    happens: ['zapAlls'],
  },
  'MMIO generations that wrap': {
    cast: [
      { kind: 'zap-all', weights: { mmioWrap: 1 } },
      { kind: 'memslots', weights: { recreate: 1 } },
    ],
    given: { mmioGenBits: 2 },
    happens: ['zapAlls', 'mmioSptes', 'mmioAccesses', 'slotsDeleted', 'slotsCreated'],
  },
  'deleting and creating a slot': {
    cast: [{ kind: 'memslots', weights: { recreate: 1 } }],
    given: { preempt: 'full', reschedRate: 0.2 },
    happens: ['slotsDeleted', 'slotsCreated', 'mmioSptes', 'mmioAccesses'],
  },
  'moving a slot and changing its flags': {
    cast: [{ kind: 'memslots' }],
    moved: true,
    happens: ['slotsDeleted', 'slotsCreated'],
  },
  'recovering NX pages': {
    cast: [{ kind: 'nx-recovery' }],
    given: { nx: true, execFraction: 0.4, nxRecoveryRatio: 1, reschedRate: 0.3 },
    happens: ['nxSplits', 'nxRecovered'],
  },
  reclaim: {
    cast: [{ kind: 'reclaim' }],
    given: { mmuPages: 20, reschedRate: 0.2 },
    happens: ['shrinks', 'limitChanges', 'shadowZapped'],
  },
  'all of them at once': {
    cast: [{ kind: 'zap-all' }, { kind: 'memslots' }, { kind: 'nx-recovery' }, { kind: 'reclaim' }],
    given: {
      nx: true,
      execFraction: 0.2,
      nxRecoveryRatio: 2,
      preempt: 'full',
      reschedRate: 0.2,
      mmioGenBits: 3,
    },
    moved: true,
    happens: ['zapAlls', 'slotsDeleted', 'nxRecovered', 'shrinks'],
  },
};

describe('beside a migration and two vCPUs of L2', () => {
  for (const [name, { cast, given, moved, happens }] of Object.entries(CASES)) {
    it.each([{ format: 'ept' }, { format: 'npt' }, { format: 'ept', l1Vcpus: 1 }])(
      `${name} breaks nothing (%j)`,
      (machineGiven) => {
        const slots = moved === true ? { extraSlots: MOVED } : {};
        const machine = castMachine(cast, { ...machineGiven, ...given }, slots);
        const played = play(machine, SCHEDULES);
        expect(played.text).toBe('');
        expect(played.inconclusive).toBe(0);
        expect(happens.filter((counter) => played.count(counter) === 0)).toEqual([]);
      },
    );
  }
});
