/** docs/actors.md: who acts for each row of kernel-facts 5.1, and where an allocation may fail. */
import { ACTOR_ROWS, ALLOCATION_SITES, LEFT_OUT } from '../actors/catalogue.ts';

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

export function actorsDocument(): string {
  const seen = (witnesses: readonly (readonly [string, string])[]): string =>
    witnesses.map(([scenario, counter]) => `\`${scenario}\` (${counter})`).join(', ');
  return [
    '# Actors',
    '',
    'Written by `node --import tsx scripts/generate-docs.ts` from src/actors/catalogue.ts; do not edit.',
    '',
    'Every row of kernel-facts 5.1 (A1 to A28): which files act for it, under which locks (W and R: mmu_lock held for write or',
    'read), where it gives mmu_lock up, what it must flush, what was followed, and what was made simpler than in the kernel.',
    '_Seen in_ names shipped scenarios in which it acts at their defaults, with the counter that tells; a test runs them.',
    'Files are under src/, tests under test/.',
    '',
    '| id | who | files | locks | yields | flush | follows | simpler than the kernel | seen in | tests |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...ACTOR_ROWS.map(
      (row) =>
        `| ${row.id} | ${row.who} | ${code(row.files)} | ${row.locks} | ${row.yields} | ${row.flush} | ${row.facts} | ` +
        `${row.simplified} | ${seen(row.witnesses)} | ${code(row.tests)} |`,
    ),
    '',
    '## What cannot matter here',
    '',
    '| left out | why |',
    '|---|---|',
    ...LEFT_OUT.map(([what, why]) => `| ${what} | ${why} |`),
    '',
    '## Where an allocation may fail',
    '',
    'The rates are parameters, the failures come from `choose`. test/mmu/allocation-sites.test.ts makes each of them fail by itself.',
    'Other faults of the environment: `reschedRate` (need_resched() at every place that asks), `slowAckRate`,',
    '`spuriousFaultRate`, `longExitRate`.',
    '',
    '| allocation | rate | answer |',
    '|---|---|---|',
    ...ALLOCATION_SITES.map(([site, rate, answer]) => `| ${site} | \`${rate}\` | ${answer} |`),
    '',
  ].join('\n');
}
