import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'no-restart-after-success',
  summary: 'the rmap walk goes on after a split instead of starting the head again',
  id: 'noRestartAfterSuccess',
  year: 2022,
  wrong:
    'A split takes its entry out of the list it is being found in, and the last entry of the descriptor ' +
    'moves into the hole; an iterator that goes on passes over it.',
  needs: 'Several aliases of one page.',
  expected: 'Q43',
  facts: ['3.4'],
  scenario: 'alias-same-access',
  apply: (base) => ({ afterAttempt: (result) => (result === 0 ? 'next' : base.afterAttempt(result)) }),
});
