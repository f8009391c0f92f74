import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-19-tdp-flush-of-the-wrong-level',
  summary: 'flushes of the TDP MMU name the range of one page, whatever the level',
  id: 'B-19',
  fix: ['574c3c55e969'],
  year: 2021,
  wrong:
    'The range of the flush for a disconnected table was computed from the wrong level, and covered one ' +
    'page of it.',
  needs: 'A flush backend that takes ranges, and a zap or a replacement above 4K.',
  expected: 'Q49',
  mayFireFirst: {
    D7: 'the host took a page while a TLB still had it',
    Q51: 'a translation out of a freed table is left',
    D8: 'a table is freed while a TLB still has what was read from it',
  },
  scenario: 'log-cycle',
  // Without yields, as the walker's own flush is short of a range too (H-E).
  parameters: { l1Vcpus: 1, flushBackend: 'range-l2', preempt: 'none', reschedRate: 0 },
  apply: () => ({ tdpFlushPages: () => 1 }),
});
