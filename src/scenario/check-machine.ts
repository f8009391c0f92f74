/** What a machine cannot be, before anything runs: each refusal names the field, what was given and what is allowed. */
import { pagesPerHpage } from '../arena/layout.ts';
import { KVM_MIN_FREE_MMU_PAGES, type KvmConfig } from '../mmu/config.ts';
import type { MachineSpec, Scenario, Units } from './define.ts';
import { ParameterError } from './parameters.ts';
import { ScenarioError } from './validate.ts';

/** Every page L1 maps must be in a memslot. */
export function checkRanges(scenario: Scenario, config: KvmConfig): void {
  /** Slots are in the order of their gfns; a range may go over from one to the next if there is no gap between them. */
  const covered = (first: number, last: number): boolean =>
    config.slots.reduce(
      (at, { baseGfn, npages }) => (at >= baseGfn && at < baseGfn + npages ? baseGfn + npages : at),
      first,
    ) > last;
  config.roots.forEach((root, index) => {
    const levels = root.level ?? config.rootLevel;
    const l2Pages = 2 ** (levels * config.tableBits);
    root.mappings.forEach((mapping, at) => {
      const size = pagesPerHpage(mapping.level, config.tableBits);
      if (mapping.l2Gfn + mapping.count * size > l2Pages) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at} ends at L2 gfn ${mapping.l2Gfn + mapping.count * size}, but ` +
            `${levels} levels of ${config.tableBits} bits reach only ${l2Pages}; raise rootLevel or tableBits`,
        );
      }
      const last = mapping.l1Gfn + (mapping.count - 1) * mapping.l1Step + size - 1;
      if (!covered(mapping.l1Gfn, last)) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at} maps L1 gfns ${mapping.l1Gfn} to ${last}, beyond the memory given; ` +
            'with these table sizes more memory or smaller pages are needed',
        );
      }
    });
  });
}

/** Accesses before the start go through roots that exist. */
export function checkPopulate(scenario: Scenario, { populate }: MachineSpec, roots: number): void {
  if (populate === 'all') return;
  populate.forEach((past, at) => {
    const root = 'logCycle' in past ? 0 : (past.root ?? 0);
    if (root >= roots) {
      throw new ScenarioError(
        `scenario ${scenario.name}: populate.${at}.root: ${root} given, allowed is 0 to ${roots - 1}`,
      );
    }
  });
}

/** Below this the first fault cannot even map one page (kernel-facts 2.2). */
export function checkMmuPages(config: KvmConfig): void {
  const least =
    config.roots.reduce((sum, { level }) => sum + (level ?? config.rootLevel), 0) + KVM_MIN_FREE_MMU_PAGES;
  if (config.nrMmuPages !== 0 && config.nrMmuPages < least) {
    throw new ParameterError(
      'mmuPages',
      config.nrMmuPages,
      `0, or at least ${least} for ${config.roots.length} roots of ${config.rootLevel} levels`,
    );
  }
}

/** Shards are cut at boundaries of the largest huge page; there must be one for each. */
export function checkShards(shards: number, units: Units, backing: number): void {
  const unit = [0, 1, units.huge2, units.huge3][backing]!;
  const available = Math.ceil(units.pages / unit);
  if (shards > available) {
    throw new ParameterError(
      'splitters',
      shards,
      `at most ${available}: the slot has that many pages of its largest size to share`,
    );
  }
}
