/** The memslots of a machine, and where they lie. */
import type { SlotConfig } from '../mmu/config.ts';
import type { MachineSpec, Units } from './define.ts';
import { ScenarioError } from './validate.ts';

/** The slots of every machine, and those a scenario adds above them. */
export function extraSlots(spec: MachineSpec, units: Units, slots: SlotConfig[]): SlotConfig[] {
  const all = [...slots];
  (spec.extraSlots ?? []).forEach((extra, at) => {
    const last = all.reduce((max, slot) => Math.max(max, slot.baseGfn + slot.npages), 0);
    const frames = all.reduce((max, slot) => Math.max(max, slot.basePfn + slot.npages), 0);
    const up = (value: number): number => Math.ceil(value / units.huge3) * units.huge3;
    const baseGfn = extra.baseGfn ?? up(last);
    if (baseGfn < last) {
      throw new ScenarioError(`extraSlots.${at}.baseGfn: ${baseGfn} given, allowed is ${last} and above`);
    }
    const shared = all.find(({ id }) => id === extra.sharesMemoryOf);
    if (extra.sharesMemoryOf !== undefined && (shared === undefined || shared.npages !== extra.pages)) {
      throw new ScenarioError(
        `extraSlots.${at}.sharesMemoryOf: ${extra.sharesMemoryOf} given, allowed is the id of an earlier slot of ${extra.pages} pages`,
      );
    }
    // The host maps that memory once, and its huge pages have to fit both slots.
    if (shared !== undefined && (baseGfn - shared.baseGfn) % units.huge3 !== 0) {
      throw new ScenarioError(
        `extraSlots.${at}.baseGfn: ${baseGfn} given, allowed is a multiple of ${units.huge3} pages away from slot ${shared.id}`,
      );
    }
    all.push({
      id: all.length,
      baseGfn,
      npages: extra.pages,
      backing: shared?.backing ?? slots[1]!.backing,
      // Congruent to the gfn modulo the largest page, so that huge pages are possible.
      basePfn: shared?.basePfn ?? up(frames) + (baseGfn % units.huge3),
      readonly: extra.readonly ?? false,
      hvaMisaligned: false,
      gone: extra.gone ?? false,
    });
  });
  return all;
}
