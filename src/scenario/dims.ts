/** How large everything in the arena has to be. */
import { pagesPerHpage, type ArenaDims } from '../arena/layout.ts';
import { CACHE_OBJECTS, defaultMmuPages, type KvmConfig } from '../mmu/config.ts';
import { splitDescCapacity } from '../mmu/memory-cache.ts';
import { RCU_RESERVE } from '../mmu/tdp/rcu.ts';

/** Sizes of everything, from the configuration alone. */
export function arenaDims(config: KvmConfig, actors: number): ArenaDims {
  const mmuPages = config.nrMmuPages > 0 ? config.nrMmuPages : defaultMmuPages(config.slots);
  // Each actor has a share of what the boot leaves (src/arena/pool.ts), with room for a topup of its caches in it.
  const shares = CACHE_OBJECTS * actors;
  const cached = CACHE_OBJECTS * (config.vcpus + config.shards) + shares;
  const entries = 2 ** config.tableBits;
  const mapped = config.roots.reduce(
    (sum, root) =>
      sum + root.mappings.reduce((s, m) => s + m.count * pagesPerHpage(m.level, config.tableBits), 0),
    0,
  );
  const slotPages = config.slots.reduce((sum, slot) => sum + slot.npages, 0);
  // L1 that edits its tables may alias and protect what it likes: pages get more roles, and tables are shadowed at any level.
  const edits = config.l1Vcpus > 0;
  // Every mapped page split to 4 KiB, twice over: a page may have tables under two roles, as after a clean gpte.
  const tableRoles = edits ? 16 : 4;
  const perRole = (pages: number): number =>
    Math.ceil(((2 * pages) / entries) * (1 + 1 / entries) * (1 + 1 / entries));
  const mostTables =
    (edits ? 2 : 1) * perRole(edits ? Math.max(mapped, slotPages) : mapped) +
    tableRoles * config.tablePages +
    256;
  const last = config.slots.reduce((max, slot) => Math.max(max, slot.basePfn + slot.npages), 0);
  // EPT01 mapped by 4 KiB pages, three times over: one root in use, one being zapped, and what waits for its grace period.
  const ept01 =
    Math.ceil((slotPages / entries) * (1 + 2 / entries)) + (config.tdpRootLevel + 2) * config.slots.length;
  const tdpTables = config.l1Vcpus > 0 ? 3 * ept01 + RCU_RESERVE : 0;
  const splitDesc = splitDescCapacity(entries);
  const caches = config.shards * splitDesc + CACHE_OBJECTS * config.vcpus + shares;
  // Descriptors hold the second and later entries of a head. Aliases need them everywhere; without aliases only tables
  // that lost their parent do.
  const aliased = edits || mapped > slotPages ? Math.max(mapped, slotPages) : Math.ceil(slotPages / 8);
  return {
    tableBits: config.tableBits,
    vcpus: config.vcpus,
    shards: config.shards,
    actors,
    hashBits: 12,
    tables: Math.min(mmuPages, mostTables) + tdpTables + cached + 16,
    shadowInfos: (tableRoles / 2) * config.tablePages + CACHE_OBJECTS * config.vcpus + shares + 16,
    descs: caches + aliased + Math.ceil(Math.min(mmuPages, mostTables) / 4) + 256,
    slots: config.slots.map(({ baseGfn, npages, basePfn }) => ({
      baseGfn,
      npages,
      hostMapOf: config.slots.findIndex((other) => other.basePfn === basePfn && other.npages === npages),
    })),
    pfns: last + config.spareFrames,
    guestTables: config.tablePages,
    tlbBits: config.tlbBits,
    extras: {
      hostMap: config.hostMap,
      spareFrames: config.spareFrames,
      pmlEntries: config.pmlEntries,
      ringEntries: config.ringEntries,
      pscEntries: config.pscEntries,
    },
    caches: { objects: CACHE_OBJECTS, splitDesc },
  };
}
