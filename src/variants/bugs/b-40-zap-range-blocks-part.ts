import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-40-zap-range-blocks-part',
  summary: 'kvm_zap_gfn_range() lets faults outside of its own range through',
  id: 'B-40',
  fix: ['6d3085e4d89a'],
  year: 2022,
  wrong:
    'The zap registered only where it started instead of all gfns, so that faults could put back what it ' +
    'had looked at already.',
  needs: 'A fault between a yield of the zap and its end.',
  expected: 'D17',
  mayFireFirst: {
    D7: 'a translation survives the zap',
  },
  scenario: 'zap-all',
  apply: () => ({ zapGfnRangeBlocks: (start) => [start, start] }),
});
