import { zapMemslotOnly } from '../../mmu/memslot-change.ts';
import { defineVariant } from '../define.ts';

/** Linux 6.12 with KVM_X86_QUIRK_SLOT_ZAP_ALL off: a memslot that goes takes only its own mappings along (A18, B-53). */
export default defineVariant({
  name: 'slot-zap-6.12',
  summary: 'Linux 6.12, quirk off: deleting a memslot zaps that slot alone',
  kind: 'profile',
  facts: ['A18', 'B-53', '3.13'],
  caughtBy: [],
  apply: () => ({ flushShadowMemslot: zapMemslotOnly }),
});
