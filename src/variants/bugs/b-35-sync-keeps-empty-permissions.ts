import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-35-sync-keeps-empty-permissions',
  summary: 'syncing keeps an entry from which L1 took every permission',
  id: 'B-35',
  fix: ['9fb3565743d5'],
  year: 2022,
  wrong:
    'FNAME(sync_page) made an SPTE without any permission of an EPT entry whose R, W and X L1 had ' +
    'cleared, and counted it as present.',
  needs: 'L1 clears all permissions of an entry in an unsync table.',
  expected: 'Q20',
  mayFireFirst: {
    Q30: 'an SPTE with no permission is malformed',
    Q28: 'an SPTE allows what L1 has taken away',
    Q49: 'a translation L1 has taken away is found',
  },
  scenario: 'l1-remap',
  apply: () => ({ syncDropsSpte: (_kvm, _access, gfn, mapped) => gfn !== mapped }),
});
