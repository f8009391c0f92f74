import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-39-invalidate-seq-truncated',
  summary: 'a fault keeps the sequence of invalidations in a signed integer',
  id: 'B-39',
  fix: ['ba6e3fe25543'],
  year: 2023,
  wrong:
    'mmu_invalidate_seq was compared with a copy in a signed int. From 2^31 invalidations on no fault ' +
    'ever finds them equal, and each is retried for ever.',
  needs: 'Very many invalidations; the width is a parameter here.',
  expected: 'D13',
  mayFireFirst: {
    livelock: 'a fault is retried for ever',
    deadlock: 'nobody can go on',
  },
  facts: ['seqWidthSmall'],
  scenario: 'notifier-unmap',
  parameters: { seqBits: 2 },
  apply: () => ({
    snapshotSeq: (kvm, seq) => (seq << (32 - kvm.config.seqBits)) >> (32 - kvm.config.seqBits),
  }),
});
