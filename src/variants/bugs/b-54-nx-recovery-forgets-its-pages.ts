import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-54-nx-recovery-forgets-its-pages',
  summary: 'NX recovery ends without committing the pages it has zapped',
  id: 'B-54',
  fix: ['e89505698c9f'],
  year: 2020,
  wrong:
    'When the last page was recovered just before a yield the list of zapped pages was left uncommitted: ' +
    'no flush, and the pages never freed.',
  needs: 'A wakeup of the recovery worker that zaps anything.',
  expected: 'Q53',
  mayFireFirst: {
    Q4: 'pages are neither in use nor free',
    Q51: 'a zapped page is still in a TLB',
    D20: 'the lock is dropped with the flush still owed',
    Q49: 'a translation of a zapped page is found',
  },
  scenario: 'nx-recovery',
  apply: () => ({ *nxRecoveryAtEnd() {} }),
});
