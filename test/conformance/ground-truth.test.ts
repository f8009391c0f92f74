import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ACC_ALL } from '../../src/mmu/format.ts';
import { childRole } from '../../src/mmu/role.ts';
import { loadRecording } from '../fixtures/recording.ts';
import { replay } from './replay.ts';

const RECORDINGS = [
  'n01-2m-single',
  'n02-2m-many',
  'n03-1g-to-4k',
  'n05-alias-2m-same-perm',
  'n06-alias-1g-same-perm',
  'n09-alias-2m-perms',
  'n11-enospc-64',
  'n17-topup-desc',
  'n07-alias-1g-nx-partial-flush',
  'n19-two-roots',
  'n22-on-off-on',
  'n25-rmap-recycle',
  'n35-enospc-reuse',
] as const;

/** The default engine with one step changed, a recording that must notice, and what the first difference says. */
const CHANGED: ReadonlyArray<
  readonly [what: string, change: Partial<Engine>, recording: string, says: string]
> = [
  [
    'flushes after every split',
    { splitNeedsFlush: () => true },
    'n01-2m-single',
    'operation 6 (dirty_logging_on): remote flushes: the kernel had 1, the model 2',
  ],
  [
    'goes on with the list after a split instead of starting over',
    { afterAttempt: (result) => (result === 0 ? 'next' : P1_ENGINE.afterAttempt(result)) },
    'n09-alias-2m-perms',
    'operation 12 (dirty_logging_on): split events, number 3: the kernel had gfn 262144 level 2 EAGAIN, ' +
      'the model nothing more (6 and 3 in all)',
  ],
  [
    'gives every child all access',
    { splitChildRole: (_kvm, parentRole) => childRole(parentRole, true, ACC_ALL) },
    'n02-2m-many',
    'operation 10 (dirty_logging_on): new tables of the split, number 2: the kernel had gfn 264704 level 1 access 5, ' +
      'the model gfn 264704 level 1 access 7 (4 and 4 in all)',
  ],
  [
    'refuses one page later',
    { splitMinFreePages: P1_ENGINE.splitMinFreePages - 1 },
    'n11-enospc-64',
    'operation 7 (dirty_logging_on): split events, number 56: the kernel had gfn 289792 level 2 ENOSPC, ' +
      'the model gfn 289792 level 2 ok (102 and 102 in all)',
  ],
  [
    'never write-protects',
    { needsWriteProtect: () => false },
    'n01-2m-single',
    'operation 7 (snapshot "after"): writable leaves of level 1: the kernel had 1, the model 513',
  ],
  [
    'goes one huge page too far in CLEAR',
    { clearSplitEnd: (lastGfn) => lastGfn + 512 },
    'n06-alias-1g-same-perm',
    'operation 11 (clear_dirty_log): split events, number 5: the kernel had nothing more, ' +
      'the model gfn 1050112 level 2 ok (5 and 6 in all)',
  ],
];

describe('the model against recordings of a real kernel', () => {
  it.each(RECORDINGS)('does what the kernel did in %s', (name) => {
    const recording = loadRecording(name);
    const result = replay(recording);
    expect(result.differences).toEqual([]);
    expect(result.operations).toBe(recording.operations.length);
    expect(result.snapshots).toEqual(Object.keys(recording.snapshots));
    expect(result.splits).toBeGreaterThan(0);
  });

  it.each(CHANGED)('notices an engine that %s', (_what, change, name, says) => {
    const { differences } = replay(loadRecording(name), { ...P1_ENGINE, ...change });
    expect(differences[0]).toContain(`${name}, `);
    expect(differences[0]).toContain(says);
  });

  it('gives the recorded reschedules to the model as an input', () => {
    const recording = loadRecording('n06-alias-1g-same-perm');
    const operations = recording.operations.map((operation) => ({ ...operation, topups: [] }));
    const { differences } = replay({ ...recording, operations });
    expect(differences[0]).toContain('split events, number 2: the kernel had gfn 1048576 level 3 EAGAIN');
  });
});
