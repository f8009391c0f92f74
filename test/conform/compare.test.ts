import { assert, constantFrom, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareRecordings } from '../../src/conform/compare/compare.ts';
import { KINDS, type Difference, type Kind } from '../../src/conform/compare/difference.ts';
import { parseRecordingText, RecordingError } from '../../src/conform/parse.ts';
import type { EventOf, EventType } from '../../src/conform/events.ts';
import type { Recording } from '../../src/conform/recording.ts';
import type { Snapshot } from '../../src/conform/snapshots.ts';
import { recordingText } from '../../src/conform/write.ts';
import { recordingNamed } from './fixtures.ts';
import { isResult, leaves, mutate } from './mutate.ts';

const NX = recordingNamed('orig-link', 'n08-alias-2m-nx-partial');
const ALIASES = recordingNamed('orig-link', 'n15-alias-20');

const differences = (a: Recording, b: Recording): readonly Difference[] =>
  compareRecordings(a, b).tally.differences();

/** A copy that `change` has been at. */
function changed(recording: Recording, change: (copy: Recording) => void): Recording {
  const copy = structuredClone(recording);
  change(copy);
  return copy;
}

const after = ({ snapshots }: Recording): Snapshot => snapshots['after']!;
const event = <T extends EventType>(recording: Recording, type: T): EventOf<T> =>
  recording.events.find((each): each is EventOf<T> => each.type === type)!;
const reversed = (list: unknown[]): void => void list.reverse();

describe('a recording compared with itself', () => {
  it.each([
    ['orig-link', 'n07-alias-1g-nx-partial-flush'],
    ['orig-link', 'n22-on-off-on'],
    ['debian-stock', 'n20-two-roles'],
    ['orig-link', 't08-nx-exec'],
    ['orig-link', 't14-2vcpu-2m'],
  ] as const)('does not differ: %s/%s', (kernel, name) => {
    const recording = recordingNamed(kernel, name);
    expect(differences(recording, recording)).toEqual([]);
  });

  it('does not differ if its tables are at other places of memory and have other names', () => {
    const text = recordingText(NX)
      .replaceAll(/"S(\d+)"/g, '"Q$1"')
      // Tables, and the huge page of the guest: other digits above, or in, what a huge page leaves of the pfn.
      .replaceAll(/"13([bc][0-9a-f]{3}827)"/g, '"7f$1"')
      .replaceAll(
        /"(80000)?(?:00)?(12f(?:[0-9a-f]{3}){1,2})"/g,
        (_all, nx: string | undefined, rest: string) => JSON.stringify(`${nx ?? ''}33${rest}`),
      );
    const moved = parseRecordingText(text).recording;
    expect(moved.snapshots).not.toEqual(NX.snapshots);
    expect(text).toContain('"800003312f000ee7"');
    expect(differences(NX, moved)).toEqual([]);
  });

  it('does not differ if a memory page of a table served another table before', () => {
    const twice = changed(NX, (copy) => {
      for (const page of copy.snapshots['before']!.shadow_pages) page.id = `B${page.id}`;
      const rename = (at: [string, number]): void => void (at[0] = `B${at[0]}`);
      for (const page of copy.snapshots['before']!.shadow_pages) {
        for (const parent of page.parents ?? []) rename(parent);
        for (const entry of page.entries) if (entry.child !== undefined) entry.child = `B${entry.child}`;
      }
      for (const slot of copy.snapshots['before']!.slots)
        for (const list of Object.values(slot.rmaps)) for (const rmap of list) rmap.list.forEach(rename);
    });
    expect(differences(NX, twice)).toEqual([]);
  });
});

describe('every value of a recording', () => {
  it.each([
    ['orig-link', 'n08-alias-2m-nx-partial'],
    ['orig-link', 't08-nx-exec'],
    ['debian-stock', 'n38-single-bit-at-border'],
  ] as const)('is refused or seen to differ if it is another one: %s/%s', (kernel, name) => {
    const recording = recordingNamed(kernel, name);
    // Without a probe the wish to flush has no meaning there.
    const blind = kernel === 'debian-stock' ? /^events\.\d+\.flush$/ : /^$/;
    const paths = [...leaves(recording)].filter((path) => isResult(path) && !blind.test(path.join('.')));
    assert(
      property(constantFrom(...paths), (path) => {
        let mutant: Recording;
        try {
          mutant = parseRecordingText(recordingText(mutate(recording, path))).recording;
        } catch (error) {
          if (error instanceof RecordingError) return;
          throw error;
        }
        expect({ path, found: differences(recording, mutant).length }).not.toEqual({ path, found: 0 });
      }),
      { numRuns: 25, seed: 5 },
    );
  });
});

type Mutant = readonly [what: string, kind: Kind, field: string, mutant: Recording, original: Recording];

const MUTANTS: readonly Mutant[] = [
  [
    'a page that is missing',
    'pages',
    'missing',
    changed(NX, (copy) => {
      const { shadow_pages: pages } = after(copy);
      const leaf = pages.findIndex(({ id }) => id === 'S2');
      pages.splice(leaf, 1);
    }),
    NX,
  ],
  [
    'a page under another role',
    'pages',
    'access',
    changed(NX, (copy) => {
      after(copy).shadow_pages.find(({ id }) => id === 'S9')!.role.access = 5;
    }),
    NX,
  ],
  [
    'the active list in another order',
    'pages',
    'place',
    changed(NX, (copy) => {
      const pages = after(copy).shadow_pages;
      [pages[0], pages[1]] = [pages[1]!, pages[0]!];
    }),
    NX,
  ],
  [
    'a leaf with W where there was none',
    'entries',
    'W',
    changed(NX, (copy) => {
      after(copy).shadow_pages[1]!.entries.at(-1)!.spte = '12f008e67';
    }),
    NX,
  ],
  [
    'a leaf that leads to the next page',
    'entries',
    'target',
    changed(NX, (copy) => {
      after(copy).shadow_pages[1]!.entries[1]!.spte = '12f004e65';
    }),
    NX,
  ],
  [
    'a hole',
    'entries',
    'leaf/none',
    changed(NX, (copy) => {
      after(copy).shadow_pages[1]!.entries.splice(1, 1);
    }),
    NX,
  ],
  [
    'parents in another order',
    'parents',
    'list',
    changed(NX, (copy) => {
      reversed(after(copy).shadow_pages[1]!.parents!);
    }),
    NX,
  ],
  [
    'other descriptors',
    'parents',
    'descs',
    changed(ALIASES, (copy) => {
      reversed(
        after(copy).shadow_pages.find(({ parent_descs: descs }) => (descs?.length ?? 0) > 1)!.parent_descs!,
      );
    }),
    ALIASES,
  ],
  [
    'an rmap in another order',
    'rmaps',
    'list',
    changed(ALIASES, (copy) => {
      reversed(copy.snapshots['before']!.slots[1]!.rmaps['2'][0]!.list);
    }),
    ALIASES,
  ],
  [
    'a cache with one object less',
    'limits',
    'split_desc.nobjs',
    changed(NX, (copy) => {
      after(copy).split_caches.split_desc.nobjs--;
    }),
    NX,
  ],
  [
    'a huge page forbidden once more',
    'disallowed',
    '3',
    changed(NX, (copy) => {
      after(copy).slots[1]!.disallow_lpage['3'][0]![1]++;
    }),
    NX,
  ],
  [
    'a counter',
    'counters',
    'remote_tlb_flush_requests',
    changed(NX, (copy) => {
      copy.stats['after']!['remote_tlb_flush_requests'] = 2;
    }),
    NX,
  ],
  [
    'a split refused',
    'splits',
    'kvm_mmu_split_huge_page',
    changed(NX, (copy) => {
      event(copy, 'kvm_mmu_split_huge_page').errno = -28;
    }),
    NX,
  ],
  [
    'a table found, not created',
    'tables',
    'kvm_mmu_get_page',
    changed(NX, (copy) => {
      event(copy, 'kvm_mmu_get_page').created = false;
    }),
    NX,
  ],
  [
    'a flush wished for',
    'links',
    'probe_drop_large',
    changed(NX, (copy) => {
      event(copy, 'probe_drop_large').flush = 1;
    }),
    NX,
  ],
  [
    'a flush too many',
    'flushes',
    'probe_flush',
    changed(NX, (copy) => {
      const at = copy.events.findIndex(({ type }) => type === 'probe_flush');
      copy.events.splice(at, 0, structuredClone(copy.events[at]!));
    }),
    NX,
  ],
  [
    'the flush before the split',
    'order',
    'probe_slot_split_begin/probe_memslot_flush',
    changed(NX, (copy) => {
      const from = copy.events.findIndex(({ type }) => type === 'probe_memslot_flush');
      const flushes = copy.events.splice(from, 2);
      copy.events.splice(
        copy.events.findIndex(({ type }) => type === 'probe_slot_split_begin'),
        0,
        ...flushes,
      );
    }),
    NX,
  ],
  [
    'a range split one page further',
    'passes',
    'probe_shadow_split_begin',
    changed(NX, (copy) => {
      event(copy, 'probe_shadow_split_begin').end++;
    }),
    NX,
  ],
  [
    'a fault that sets another entry',
    'faults',
    'kvm_mmu_set_spte',
    changed(NX, (copy) => {
      event(copy, 'kvm_mmu_set_spte').at[1]++;
    }),
    NX,
  ],
  [
    'pages dirty that were not',
    'results',
    'counts.sp_new',
    changed(NX, (copy) => {
      const operation = copy.operations.find(({ type }) => type === 'dirty_logging_on')!;
      if ('counts' in operation) operation.counts!.sp_new++;
    }),
    NX,
  ],
];

describe('one change of a recording', () => {
  it.each(MUTANTS)('%s is a difference in %s: %s', (_what, kind, field, mutant, original) => {
    const found = differences(original, mutant);
    expect(found.map((each) => [each.kind, each.field])).toContainEqual([kind, field]);
    for (const each of found) expect(each.expected).not.toBe(each.actual);
  });

  it('is shown decoded, with the operation and the snapshot', () => {
    const mutant = MUTANTS.find(([, , field]) => field === 'W')![3];
    expect(differences(NX, mutant)[0]).toMatchObject({
      op: 11,
      snapshot: 'after',
      where: 'entry 8 of the table of gfn 262144 level 1 direct rwx efer_nx guest_mode',
      expected: 'leaf gfn 262152 P U A D HW MW',
      actual: 'leaf gfn 262152 P W U A D HW MW',
    });
  });

  it('is counted once for each value', () => {
    const { tally } = compareRecordings(NX, MUTANTS.find(([, , field]) => field === 'W')![3]);
    // The run of 504 leaves has W set in all.
    expect(tally.counts.entries.different).toBe(504);
    expect(tally.counts.pages.different).toBe(0);
  });
});

describe('what a build cannot show', () => {
  const stock = recordingNamed('debian-stock', 'n08-alias-2m-nx-partial');

  it('is left out when the model is held against it, and said', () => {
    const { notCompared, tally } = compareRecordings(stock, NX);
    expect(notCompared).toContain('probe_try_one');
    expect(tally.counts.attempts).toEqual({ compared: 0, different: 0, allowed: 0 });
  });

  it('is a difference when the one that can is the measure', () => {
    const { notCompared, tally } = compareRecordings(NX, stock);
    expect(notCompared).toEqual([]);
    expect(tally.counts.attempts.different).toBeGreaterThan(0);
  });
});

it('has a tally for every kind, and each kind is compared somewhere', () => {
  const all = [NX, recordingNamed('orig-link', 't08-nx-exec')].map((recording) =>
    compareRecordings(recording, recording),
  );
  const compared = KINDS.filter((kind) => all.some(({ tally }) => tally.counts[kind].compared > 0));
  expect(compared).toEqual([...KINDS]);
});
