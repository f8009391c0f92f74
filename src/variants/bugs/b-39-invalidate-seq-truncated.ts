import { defineBug } from '../bug.ts';

/** An int has 32 bits; with these few the second invalidation is what 2^31 are there. The sequence itself stays as wide as it is. */
const INT_BITS = 2;

export default defineBug({
  name: 'b-39-invalidate-seq-truncated',
  summary: 'a fault keeps the sequence of invalidations in a signed integer',
  id: 'B-39',
  fix: ['ba6e3fe25543'],
  year: 2023,
  wrong:
    'mmu_invalidate_seq was compared with a copy in a signed int. From 2^31 invalidations on no fault ' +
    'ever finds them equal, and each is retried for ever.',
  needs: 'As many invalidations as a signed int can count; here it counts to one.',
  expected: 'D13',
  facts: ['seqWidthSmall'],
  scenario: 'notifier-unmap',
  apply: () => ({ snapshotSeq: (_kvm, seq) => (seq << (32 - INT_BITS)) >> (32 - INT_BITS) }),
});
