import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-23-flush-for-nothing-at-log-off',
  summary: 'turning logging off flushes although nothing is left to flush for',
  id: 'B-23',
  fix: ['c7785d85b6c6', '8ed716ca7dc9'],
  year: 2021,
  wrong:
    'The flag that says whether the zap of collapsible SPTEs owes a flush was carried on wrongly, over what had been flushed ' +
    'already. Nothing is lost but time: all vCPUs are interrupted once more.',
  needs:
    'Logging turned off where nothing, or nothing since the last yield, was zapped; only the accounting sees it.',
  expected: 'D24',
  scenario: 'log-cycle',
  apply: () => ({ collapsibleFlushes: () => true }),
});
