import { roleGuestMode } from '../../mmu/role.ts';
import { parentPtesWord, spRole } from '../../mmu/shadow-page.ts';
import { defineBug } from '../bug.ts';

export default defineBug({
  name: 'b-48-zaps-roots-as-orphans',
  summary: 'zapping a parent takes a child along that is in use as a root',
  id: 'B-48',
  fix: ['7a2c70e777a0'],
  year: 2026,
  wrong:
    'A page that lost its last parent was zapped with it although vCPUs run on it as a root: recursive ' +
    'EPT12 tables make such pages.',
  needs: 'A nested root that is linked as a child as well.',
  expected: 'Q16',
  facts: ['zapRootsIgnoringCount'],
  scenario: 'root-in-root',
  apply: () => ({
    zapsOrphan: (kvm, child) => roleGuestMode(spRole(kvm, child)) && kvm.w[parentPtesWord(kvm, child)] === 0,
  }),
});
