import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-10-pml-while-l2-runs',
  summary: 'hardware logs L2 addresses to the PML buffer while L2 runs',
  id: 'B-10',
  fix: ['c3bb9a20834f'],
  year: 2021,
  wrong:
    'PML stayed on while L2 ran. Hardware then logged L2 addresses, which KVM took for gfns of L1: the ' +
    'wrong page became dirty.',
  needs: 'PML on, and L2 setting a D bit.',
  expected: 'Q45',
  mayFireFirst: {
    D6: 'the right page was not copied',
    Q46: 'the right page is in no log',
    Q44: 'the right page is in no log',
    Q31: 'nested leaves are not marked write-protect-only when D bits track them',
    D11: 'the log is on and the page can be written without a bit',
  },
  scenario: 'pml',
  apply: () => ({ pmlLogs: (kvm) => kvm.config.pmlEntries > 0 }),
});
