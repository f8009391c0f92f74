/** docs/checks.md: every invariant, where it is checked, at what cost, what it takes for it to look at anything. */
import { INVARIANTS } from '../check/all.ts';

/** What scripts/check-activity.ts has measured. */
export interface CheckActivity {
  readonly schedules: number;
  readonly looked: Readonly<Record<string, number>>;
  readonly files: Readonly<Record<string, readonly string[]>>;
  readonly shares: Readonly<Record<string, number>>;
}

/** Invariants of kernel-facts 6 that nothing checks, and why. */
const UNCHECKED: readonly (readonly [id: string, why: string])[] = [];

/** What a machine must have for the check to have anything to look at, where that is more than a migration. */
const NEEDS: Readonly<Record<string, string>> = {
  Q5: '`mmuPages` near what is in use',
  Q8: 'somebody who zaps: `zap-all`, `memslots`, `reclaim`',
  Q11: 'L1 vCPUs that edit tables',
  Q14: '`tdpMmu`',
  Q15: 'somebody who zaps a root in use: `zap-all`, `memslots`',
  Q17: 'L1 vCPUs that edit tables, `unsync`',
  Q18: 'L1 vCPUs that edit tables, `unsync`',
  Q24: 'an `mmu-notifier`, to be put to the test',
  Q26: "pages of L1's tables that are mapped: `shadowed-tables`, `l1-remap`",
  Q29: 'a read-only slot, or host pages that are write-protected',
  Q32: '`nx`',
  Q33: '`nx`',
  Q37: 'L1 vCPUs',
  Q38: 'L1 vCPUs',
  Q39: 'L1 vCPUs',
  Q40: 'a further slot and `memslots`',
  Q41: "pages of L1's tables that are mapped: `shadowed-tables`, `l1-remap`",
  Q45: '`pml` and L1 vCPUs',
  Q48: '`log-toggle`, or the end of a migration',
  Q51: '`psc`, for the paging-structure caches',
  Q52: 'an `mmu-notifier`',
  D7: 'an `mmu-notifier`',
  D8: 'somebody who frees tables',
  D9: '`nx`; without it, fetches (`execFraction`) for the exposures',
  D10: "pages of L1's tables that are mapped: `shadowed-tables`, `l1-remap`",
  D15: 'L1 vCPUs, for the TDP MMU',
  D17: 'an `mmu-notifier` or `zap-all`, to be put to the test',
  D18: 'L1 vCPUs',
  D19: 'L1 vCPUs, for the fast path',
  D25: 'L1 vCPUs',
};

const number = (id: string): number => Number(id.slice(1));
const short = (file: string): string => file.replace(/^src\//, '').replace(/\.ts$/, '');

export function checksDocument(activity: CheckActivity): string {
  const sorted = [...INVARIANTS].sort(
    (a, b) => b.id.charCodeAt(0) - a.id.charCodeAt(0) || number(a.id) - number(b.id),
  );
  const lines = [
    '# Checks',
    '',
    'Written by `node --import tsx scripts/generate-docs.ts` from the checks themselves; do not edit.',
    '',
    'Ids are those of the invariants of the modelled kernel: Q can be seen on a quiescent state, D only as things happen.',
    '`state` checks walk the arena when nobody holds mmu_lock: in the controlled runtime after write sections and at the end,',
    'in the parallel runtime whenever the world is stopped; those of the TDP MMU also when the last reader has left. `step`',
    'checks observe operations. `inside` means that the model reports it where it happens.',
    '',
    '_Where_ names the files under src/ that report it. _Looked at_ says how often control came to the decision whether to',
    `report, at the busiest of these places, in ${activity.schedules} schedules of every shipped scenario`,
    '(`scripts/check-activity.ts` counts it by block coverage): a check that looks at nothing finds nothing. _Needs_ says what',
    'a machine must have for that, beyond a migration.',
    '',
    '| id | says | kind | where | runtimes | cost | looked at | needs |',
    '|---|---|---|---|---|---|---:|---|',
    ...sorted.map(
      ({ id, sentence, kind, runtimes, cost }) =>
        `| ${id} | ${sentence} | ${kind} | ${(activity.files[id] ?? []).map(short).join(', ')} | ${runtimes.join(', ')} | ${cost} | ` +
        `${(activity.looked[id] ?? 0).toLocaleString('en-US')} | ${NEEDS[id] ?? ''} |`,
    ),
    '',
    'Besides these: `deadlock` (names the waiters and the owner), `livelock` (steps without progress), and `C11` (a split cache',
    'runs dry in the middle of a split).',
    '',
    '## What they cost',
    '',
    'Part of a controlled run with all checks on, over all shipped scenarios, that each file of checks takes together with',
    'what it calls (sampled; `scripts/check-activity.ts --share`). The rest is the model and the scheduler.',
    '',
    '| file | part of the run |',
    '|---|---:|',
    ...Object.entries(activity.shares)
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .map(([file, share]) => `| ${short(file)} | ${share.toFixed(1)} % |`),
    '',
    ...uncheckedSection(),
  ];
  return lines.join('\n');
}

function uncheckedSection(): string[] {
  if (UNCHECKED.length === 0) return ['Every invariant of kernel-facts 6 is checked.', ''];
  return [
    '## Not checked',
    '',
    '| id | why |',
    '|---|---|',
    ...UNCHECKED.map(([id, why]) => `| ${id} | ${why} |`),
    '',
  ];
}

/** Every id that the document names, for the test that none is missing. */
export const DOCUMENTED_IDS: ReadonlySet<string> = new Set([
  ...INVARIANTS.map((invariant) => invariant.id),
  ...UNCHECKED.map(([id]) => id),
]);
