/**
 * A huge page of L1 lies over the boundary of two memslots.
 *
 * L1 sees one piece of memory where user space has made two slots, and maps it with 1 GiB entries. KVM maps each by a direct
 * table that begins in the lower slot and has leaves in the upper one, whose log goes on and off while the lower is being
 * migrated: whoever goes from such a leaf to the first gfn of its table leaves the slot.
 */
import { defineScenario } from '../src/scenario/define.ts';

export default defineScenario({
  name: 'slot-seam',
  summary: "L1's huge pages lie over the boundary of two memslots, both of which are logged",
  about:
    'The migrated slot ends in the middle of a 1 GiB page, and a second slot follows without a gap. User space turns the log ' +
    'of that one on and off; its huge pages come back by faults and are split again.',
  facts: ['A16', 'A17', '1.2', 'B-49', 'Q25'],
  defaults: { memory: '2560M', backing: '2m', castRounds: 8 },
  explore: { memory: '32K', backing: '2m', castRounds: 2 },
  machine: (_p, { huge2, huge3, base, pages }) => {
    const end = base + pages;
    const seam = Math.ceil((end + huge2) / huge3) * huge3;
    return {
      roots: [{ name: 'L2', mappings: [{ l2Gfn: 0, l1Gfn: base, level: 3, count: (seam - base) / huge3 }] }],
      populate: [{ access: 'write', l2Gfn: 0, count: (seam - base) / huge2, stride: huge2 }],
      extraSlots: [{ pages: seam - end, baseGfn: end }],
      cast: [{ kind: 'log-toggle', slots: [2] }],
    };
  },
});
