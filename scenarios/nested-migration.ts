/**
 * Live migration of an L1 guest that runs an L2 guest, under write load. This is what eager page splitting is for, and
 * the default scenario.
 *
 * L1 maps L2's memory one to one (L2 gfn = L1 gfn), the first half with 1 GiB entries and the rest with 2 MiB ones, on
 * 1 GiB host pages. Before the migration every huge page has been touched, so EPT02 is huge. Then dirty logging goes
 * on: KVM walks the reverse maps and splits 1 GiB to 2 MiB and 2 MiB to 4 KiB under mmu_lock, giving the lock up
 * whenever somebody waits, while the vCPUs write, fault and wait. The migration copies, harvests, stops the guest and
 * compares.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'nested-migration',
  summary: 'live migration of a nested guest under write load: 1 GiB and 2 MiB pages, identity-mapped L2',
  about:
    'L2 memory is mapped one to one, half by 1 GiB and half by 2 MiB entries of L1. The vCPUs write all over it ' +
    'while logging is turned on, harvested and compared. Watch the yields and the EAGAIN rounds: each contended ' +
    'attempt gives mmu_lock up once.',
  facts: ['3.1 E1', '3.3', '3.5', '3.6', '5.2', 'D6', 'C10'],
  defaults: { memory: '2G' },
  explore: { memory: '128K' },
  machine: (p, { huge2, huge3, base, pages }) => {
    const giants = p.backing === '1g' ? Math.floor(pages / huge3 / 2) : 0;
    const rest = pages - giants * huge3;
    return {
      roots: [
        {
          name: 'L2',
          mappings: [
            ...(giants > 0 ? [{ l2Gfn: base, l1Gfn: base, level: 3 as const, count: giants }] : []),
            {
              l2Gfn: base + giants * huge3,
              l1Gfn: base + giants * huge3,
              level: 2 as const,
              count: rest / huge2,
            },
          ],
        },
      ],
      populate: 'all',
    };
  },
});
