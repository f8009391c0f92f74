import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-30-invalid-roots-not-unmapped',
  summary: 'the notifier passes over roots that were invalidated and are still in use',
  id: 'B-30',
  fix: ['d62007edf01f'],
  year: 2022,
  wrong:
    'Unmapping went over valid roots only. A root that zap-all has invalidated serves its vCPUs until ' +
    'they reload, and went on translating to pages that the host had taken away.',
  needs: 'A notifier between the invalidation of a root and the reload of a vCPU that runs on it.',
  expected: 'D7',
  mayFireFirst: {
    Q24: 'a leaf of the invalid root maps a frame that moved',
    Q25: 'a leaf of the invalid root is larger than what the host maps there now',
    Q49: 'a stale translation is found',
  },
  scenario: 'kitchen-sink',
  apply: () => ({ tdpUnmapsInvalidRoots: false }),
});
