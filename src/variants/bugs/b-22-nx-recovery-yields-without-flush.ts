import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-22-nx-recovery-yields-without-flush',
  summary: 'NX recovery gives the lock up before it flushes what it has zapped',
  id: 'B-22',
  fix: ['048f49809c52', '33a3164161fc'],
  year: 2021,
  wrong: 'The recovery worker dropped mmu_lock with the flush for zapped TDP tables still owed, and lost it.',
  needs: 'The mitigation on, several disallowed pages, a yield between two of them.',
  expected: 'D20',
  mayFireFirst: {
    Q49: 'the stale translation is found',
    Q51: 'a table in use is not there any more',
  },
  scenario: 'nx-recovery',
  apply: () => ({ *nxRecoveryBeforeYield() {} }),
});
