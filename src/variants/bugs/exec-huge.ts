import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'exec-huge',
  summary: 'huge pages are executable although the mitigation is on',
  id: 'execHuge',
  year: 2019,
  wrong:
    'Without the mitigation of the iTLB multihit erratum a fetch may meet two sizes of one page, and the ' +
    'host gets a machine check.',
  needs: 'The mitigation on, and L2 executing on a huge page.',
  expected: 'Q32',
  mayFireFirst: {
    D9: 'a CPU holds an executable huge translation',
  },
  facts: ['B-60'],
  scenario: 'nx-partial-reuse',
  apply: () => ({ nxForbidsExec: () => false }),
});
