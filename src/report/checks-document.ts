/** docs/checks.md: which invariants are checked, where, at what cost, and which are not and why. */
import { INVARIANTS } from '../check/all.ts';

/** Invariants of kernel-facts 6 that nothing checks, and why. */
const UNCHECKED: readonly (readonly [id: string, why: string])[] = [];

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
    'in the parallel runtime whenever the world is stopped; those of the TDP MMU also when the last reader has left. `step`',
    'checks observe operations. `inside` means that the model reports it where it happens.',
    '',
    '| id | says | where | runtimes | cost |',
    '|---|---|---|---|---|',
    ...sorted.map(
      ({ id, sentence, kind, runtimes, cost }) =>
        `| ${id} | ${sentence} | ${kind} | ${runtimes.join(', ')} | ${cost} |`,
    ),
    '',
    'Besides these: `deadlock` (names the waiters and the owner), `livelock` (steps without progress), and `C11` (a split cache',
    'runs dry in the middle of a split).',
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
