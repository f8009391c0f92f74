/** docs/checks.md: which invariants are checked, where, at what cost, and which wait for actors that do not exist yet. */
import { INVARIANTS } from '../check/all.ts';

/** Invariants of kernel-facts 6 that need something the model does not have yet. */
const WAITING: readonly (readonly [what: string, ids: readonly string[]])[] = [
  ['L1 that rewrites its tables, unsync pages', ['Q11', 'Q17', 'Q18', 'D8']],
  [
    'zapping from outside, obsolete generations, invalid pages that live on',
    ['Q15', 'Q16', 'Q40', 'Q51', 'D17', 'D20'],
  ],
  [
    'write protection of shadowed tables at every alias and address space',
    ['Q26', 'Q41', 'Q54', 'Q55', 'Q56'],
  ],
  ['A/D-less roles and PML', ['Q31', 'Q45', 'Q47', 'D5']],
  ['NX recovery', ['Q33', 'D9']],
  ['the TDP MMU', ['Q37', 'Q38', 'Q39', 'D18', 'D25']],
  ['the MMU notifier', ['Q52', 'D7']],
  ['turning logging off', ['Q48']],
  ['liveness monitors beyond deadlock and livelock', ['D12', 'D13']],
  ['window and ordering checks', ['D15', 'D19', 'D21']],
];

const number = (id: string): number => Number(id.slice(1));

export function checksDocument(): string {
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
    'in the parallel runtime whenever the world is stopped. `step` checks observe operations. `inside` means that the model',
    'reports it where it happens.',
    '',
    '| id | says | kind | runtimes | cost |',
    '|---|---|---|---|---|',
    ...sorted.map(
      ({ id, sentence, kind, runtimes, cost }) =>
        `| ${id} | ${sentence} | ${kind} | ${runtimes.join(', ')} | ${cost} |`,
    ),
    '',
    'Besides these: `deadlock` (names the waiters and the owner), `livelock` (steps without progress), and `C11` (a split cache',
    'runs dry in the middle of a split).',
    '',
    '## Not checked yet',
    '',
    '| waits for | ids |',
    '|---|---|',
    ...WAITING.map(([what, ids]) => `| ${what} | ${ids.join(', ')} |`),
    '',
  ];
  return lines.join('\n');
}

/** Every id that the document names, for the test that none is missing. */
export const DOCUMENTED_IDS: ReadonlySet<string> = new Set([
  ...INVARIANTS.map((invariant) => invariant.id),
  ...WAITING.flatMap(([, ids]) => ids),
]);
