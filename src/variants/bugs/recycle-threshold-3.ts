import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'recycle-threshold-3',
  summary: 'reverse maps are recycled from four entries on, so that small machines do it too',
  id: 'recycleThreshold=3',
  year: 2022,
  wrong:
    'Not a bug of its own: it brings out H-A, which Linux 6.0 to 7.0 have with a threshold of 1000. An add inside a split ' +
    'empties the list it adds to, the new entry included, and flushes while the huge SPTE is live; the hole is never flushed.',
  needs:
    'A page with more L2 addresses than the threshold, one of them huge, and a TLB that is filled again before the drop.',
  expected: 'Q50',
  mayFireFirst: {
    Q35: 'a page that was mapped is not, and nobody flushed after the huge SPTE was dropped',
    Q49: 'a TLB holds a translation that no walk yields',
    Q22: 'a list is longer than the threshold of the machine allows',
  },
  facts: ['H-A'],
  scenario: 'rmap-recycle',
  parameters: { huge: true, recycleThreshold: 1000 },
  apply: () => ({ recycleThreshold: () => 3 }),
});
