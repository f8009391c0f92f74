import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-41-leaf-at-the-wrong-level',
  summary: 'a TDP fault maps where its walk ended, whatever the level',
  id: 'B-41',
  fix: ['21a36ac6b6c7', 'f5d16bb9be68'],
  year: 2022,
  wrong:
    'When the walk of a fault met a frozen entry it ended above its goal, and the leaf was installed ' +
    'there.',
  needs: 'A zap that has frozen an entry, and a fault below it.',
  expected: 'Q25',
  mayFireFirst: {
    Q36: 'the statistics do not know the level',
    Q38: 'a leaf sits where a table belongs',
    Q42: 'a huge page of a logged slot is writable',
    D18: 'a huge page of a logged slot is writable',
    Q24: 'the frame does not fit the level',
    Q37: 'a frozen entry is overwritten',
    Q44: 'a huge page of a logged slot is writable',
    Q6: 'an entry names a table that has gone',
    D15: 'an entry vanishes',
    D16: 'more is mapped than before',
  },
  scenario: 'both-mmus',
  parameters: { eager: false, l1Vcpus: 2 },
  apply: () => ({ tdpGoalReached: () => true }),
});
