import { describe, expect, it } from 'vitest';
import { compareRecordings } from '../../src/conform/compare/compare.ts';
import { perform } from '../../src/conform/perform.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { ACC_ALL } from '../../src/mmu/format.ts';
import { childRole } from '../../src/mmu/role.ts';
import { recordingNamed } from './fixtures.ts';

/** The default engine with one step changed, a recording that must notice, and the first difference in it. */
const CHANGED: ReadonlyArray<
  readonly [what: string, change: Partial<Engine>, recording: string, first: Record<string, unknown>]
> = [
  [
    'flushes after every split',
    { splitNeedsFlush: () => true },
    'n01-2m-single',
    { op: 6, kind: 'flushes', field: 'probe_flush', expected: 'nothing more' },
  ],
  [
    'goes on with the list after a split instead of starting over',
    { afterAttempt: (result) => (result === 0 ? 'next' : P1_ENGINE.afterAttempt(result)) },
    'n09-alias-2m-perms',
    { op: 12, kind: 'splits', field: 'kvm_mmu_split_huge_page', actual: 'nothing more' },
  ],
  [
    'gives every child all access',
    { splitChildRole: (_kvm, parentRole) => childRole(parentRole, true, ACC_ALL) },
    'n02-2m-many',
    { op: 10, kind: 'tables', field: 'kvm_mmu_get_page' },
  ],
  [
    'refuses one page later',
    { splitMinFreePages: P1_ENGINE.splitMinFreePages - 1 },
    'n11-enospc-64',
    { op: 7, kind: 'splits', field: 'kvm_mmu_split_huge_page' },
  ],
  [
    'never write-protects',
    { needsWriteProtect: () => false },
    'n01-2m-single',
    {
      op: 7,
      snapshot: 'after',
      kind: 'entries',
      field: 'W',
      where: 'entry 0 of the table of gfn 262144 level 1 direct rwx efer_nx guest_mode',
      expected: 'leaf gfn 262144 P U A D HW MW',
      actual: 'leaf gfn 262144 P W U A D HW MW',
    },
  ],
  [
    'goes one huge page too far in CLEAR',
    { clearSplitEnd: (lastGfn) => lastGfn + 512 },
    'n06-alias-1g-same-perm',
    { kind: 'passes', field: 'probe_shadow_split_begin' },
  ],
];

describe('an engine with one step changed', () => {
  it.each(CHANGED)('is noticed if it %s', (_what, change, name, first) => {
    const recording = recordingNamed('orig-link', name);
    const { recording: model } = perform(recording, { ...P1_ENGINE, ...change });
    const found = compareRecordings(recording, model).tally.differences();
    const ofField = found.find(({ kind, field }) => kind === first['kind'] && field === first['field']);
    expect(ofField).toMatchObject(first);
  });

  it('is noticed by the state it leaves in a recording of the other kernel too', () => {
    const recording = recordingNamed('debian-stock', 'n01-2m-single');
    const { recording: model } = perform(recording, P1_ENGINE);
    const { tally } = compareRecordings(recording, model);
    expect(tally.byField().map(({ field }) => field)).toContain('remote_tlb_flush_requests');
  });
});
