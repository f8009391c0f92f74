import { defineVariant } from '../define.ts';

/**
 * The host maps pages read-only until they are written, as after a fork of the process that has the memory, and makes them
 * writable where they are (do_huge_pmd_wp_page reuses a page that nobody shares any more): no notifier tells KVM (H-B). What
 * was read or fetched before stays without W, MMU-writable and HOST-writable.
 */
export default defineVariant({
  name: 'host-pages-read-only-at-first',
  summary: 'the host maps a page read-only until somebody writes to it, and then without a notifier (H-B)',
  kind: 'idea',
  facts: ['H-B', 'H-C', '5.6'],
  caughtBy: [],
  apply: () => ({ mapWritable: (_kvm, _slot, _gfn, write) => write }),
});
