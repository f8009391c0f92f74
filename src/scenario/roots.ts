/** L1's nested roots as the machine has them. */
import type { L1Root } from '../mmu/config.ts';
import type { MappingSpec, RootSpec, Scenario, Units } from './define.ts';
import { ScenarioError } from './validate.ts';

export function convertRoot(scenario: Scenario, root: RootSpec, index: number, units: Units): L1Root {
  const pagesOf = (mapping: MappingSpec): number => [0, 1, units.huge2, units.huge3][mapping.level]!;
  return {
    name: root.name,
    smep: root.smep ?? false,
    guestMode: root.guestMode ?? true,
    mappings: root.mappings.map((mapping, at) => {
      const perm = mapping.perm ?? 'rwx';
      const size = pagesOf(mapping);
      if (mapping.l2Gfn % size !== 0 || mapping.l1Gfn % size !== 0 || (mapping.l1Step ?? size) % size !== 0) {
        throw new ScenarioError(
          `scenario ${scenario.name}: roots.${index}.mappings.${at}: l2Gfn, l1Gfn and l1Step must be multiples of ${size} at level ${mapping.level}`,
        );
      }
      return {
        l2Gfn: mapping.l2Gfn,
        l1Gfn: mapping.l1Gfn,
        level: mapping.level,
        count: mapping.count,
        l1Step: mapping.l1Step ?? size,
        write: perm.includes('w'),
        exec: perm.includes('x'),
        accessed: mapping.accessed ?? true,
        dirty: mapping.dirty ?? true,
      };
    }),
  };
}
