import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-15-change-pte-flushes-one-page',
  summary: 'change_pte flushes one page of a huge mapping',
  id: 'B-15',
  fix: ['9ffe9265375c'],
  year: 2023,
  wrong:
    'kvm_set_pte_rmapp() flushed a range of one page although the mapping it replaced may be huge; the ' +
    'rest of the huge translation stays.',
  needs: 'change_pte on a huge mapping, and a flush backend that takes ranges.',
  expected: 'D7',
  mayFireFirst: {
    Q49: 'the stale tail is found before anybody uses it',
  },
  scenario: 'notifier-unmap',
  parameters: { flushBackend: 'range-l2' },
  apply: () => ({ changedPteFlushPages: () => 1 }),
});
