/** What hardware, or a user space that knows KVM, does not combine in the dirty log. */
import type { KvmConfig } from '../mmu/config.ts';
import { ringReserved } from '../mmu/log/dirty-ring.ts';
import { ParameterError, type CommonParameters } from './parameters.ts';

/** @throws ParameterError */
export function checkLogging(p: CommonParameters, config: KvmConfig): void {
  if (p.pml > 0 && (p.format !== 'ept' || !p.hostAdBits)) {
    throw new ParameterError('pml', p.pml, '0 with npt or without hostAdBits: PML logs D bits of EPT');
  }
  if (p.pml > 0 && config.roots.some((root) => root.guestMode === false)) {
    throw new ParameterError(
      'pml',
      p.pml,
      '0 with roots that are not nested: these are shadow paging, and PML logs what EPT translates',
    );
  }
  if (p.dirtyRing === 0) return;
  const least = ringReserved(config) + 1;
  if (p.dirtyRing < least) {
    throw new ParameterError(
      'dirtyRing',
      p.dirtyRing,
      `0, or at least ${least}: ${least - 1} entries stay in reserve`,
    );
  }
  if (p.manual === 'initially-set') {
    throw new ParameterError(
      'dirtyRing',
      p.dirtyRing,
      '0 with manual=initially-set: pages that start writable would never enter a ring',
    );
  }
}
