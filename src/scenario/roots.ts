/** L1's nested roots as the machine has them. */
import { tableWithin } from '../mmu/boot.ts';
import type { KvmConfig, L1Root } from '../mmu/config.ts';
import type { MappingSpec, RootSpec, Scenario, Units } from './define.ts';
import { ScenarioError } from './validate.ts';

export function convertRoot(scenario: Scenario, root: RootSpec, index: number, units: Units): L1Root {
  const pagesOf = (mapping: MappingSpec): number => [0, 1, units.huge2, units.huge3][mapping.level]!;
  return {
    name: root.name,
    smep: root.smep ?? false,
    guestMode: root.guestMode ?? true,
    ...(root.level === undefined ? {} : { level: root.level }),
    ...(root.within === undefined ? {} : { within: root.within }),
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

/** Finds the top tables of roots that are part of others. @throws ScenarioError if there is no such table */
export function placeRoots(
  scenario: Scenario,
  shape: Pick<KvmConfig, 'roots' | 'tableBits' | 'rootLevel'>,
): L1Root[] {
  return shape.roots.map((root, index) => {
    const { within, level } = root;
    if (within === undefined) return root;
    const where = `scenario ${scenario.name}: roots.${index}.within`;
    const outer = within.root < index ? shape.roots[within.root] : undefined;
    if (outer === undefined || outer.within !== undefined) {
      throw new ScenarioError(
        `${where}.root: ${within.root} given, allowed is an earlier root with tables of its own`,
      );
    }
    const levels = outer.level ?? shape.rootLevel;
    if (level === undefined || level >= levels) {
      throw new ScenarioError(
        `roots.${index}.level of scenario ${scenario.name}: ${level ?? 'nothing'} given, allowed is less than ${levels}, the levels of root ${within.root}`,
      );
    }
    const table = tableWithin(shape, index);
    if (table === undefined) {
      throw new ScenarioError(
        `${where}.l2Gfn: ${within.l2Gfn} given, allowed is where root ${within.root} has a table of level ${level}`,
      );
    }
    return { ...root, table };
  });
}
