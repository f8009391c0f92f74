/**
 * Page-modification logging: hardware writes down what L1 dirties.
 *
 * With PML an SPTE of the TDP MMU stays writable; clearing its D bit makes hardware log the next write. The entries sit in a
 * buffer of 512 that is drained on every exit, so harvesting has to kick every vCPU out first (A26). L2 does not use it: its
 * pages are write-protected as ever, and a page that both of them write needs both mechanisms to be right.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'pml',
  summary: 'L1 is logged by PML through D bits, L2 by write protection, on the same pages',
  about:
    'L1 vCPUs write with PML on. Their huge TDP pages are split with D kept in each child; the migration harvests bitmaps ' +
    'that are complete only after every buffer is drained.',
  facts: ['A26', '1.5', '2.8', 'D11', 'B-02'],
  defaults: { memory: '256M', backing: '2m', vcpus: 2, l1Vcpus: 2, pml: 512 },
  explore: { memory: '32K', backing: '2m', vcpus: 1, l1Vcpus: 1, pml: 3 },
  machine: (_p, { huge2, base, pages }) => ({
    roots: [{ name: 'L2', mappings: [{ l2Gfn: base, l1Gfn: base, level: 2, count: pages / huge2 }] }],
    populate: 'all',
    cast: [{ kind: 'l1-vcpu', rounds: 0, weights: { read: 1, write: 4 } }],
  }),
});
