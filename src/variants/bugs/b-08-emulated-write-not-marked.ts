import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-08-emulated-write-not-marked',
  summary: 'an emulated write does not mark its page dirty',
  id: 'B-08',
  fix: ['910c57dfa4d1'],
  year: 2024,
  wrong:
    'A locked instruction that KVM had to emulate wrote through the host mapping and did not mark the ' +
    'page, so that the page was missing in the next harvest.',
  needs: 'A write that must be emulated, to a page whose bit is clear, after its last copy.',
  expected: 'D6',
  mayFireFirst: {
    Q46: 'the page is found newer than its copy with no bit set',
  },
  scenario: 'shadowed-tables',
  apply: () => ({ emulatedWriteIsMarked: () => false }),
});
