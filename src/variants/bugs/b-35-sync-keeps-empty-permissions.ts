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
  needs:
    'An entry in an unsync table that L1 leaves nothing but X, below an entry without X: then no permission is common ' +
    'to both.',
  expected: 'Q30',
  scenario: 'unsync-tables',
  apply: () => ({ syncDropsSpte: (_kvm, _access, gfn, mapped) => gfn !== mapped }),
});
