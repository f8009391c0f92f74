import { defineVariant } from '../define.ts';

/** Linux 6.10: what an atomic zap took away is dealt with only after its flush (aca48556c592, B-26). */
export default defineVariant({
  name: 'tdp-zap-6.10',
  summary: 'Linux 6.10: an atomic zap of the TDP MMU processes what it took away after the flush',
  kind: 'profile',
  facts: ['4.5', 'B-26', 'Q47'],
  caughtBy: [],
  apply: () => ({ tdpProcessesZappedAfterFlush: true }),
});
