/** What the parameters and the cast of a scenario ask for beyond the plain machine. */
import type { CastKind } from '../actors/context.ts';
import type { CastConfig, FlushBackend, KvmConfig } from '../mmu/config.ts';
import type { CastSpec } from './define.ts';
import { PAGE_SIZE, type CommonParameters } from './parameters.ts';

/** Nested tables L1 may add while it runs. */
export const DEFAULT_SPARE_TABLES = 8;

/** Casts whose actors change the host's mappings. */
const MOVES_HOST_PAGES: readonly CastKind[] = ['mmu-notifier'];

/** Casts whose actors are inside SRCU and are no vCPU. */
const READS_MEMSLOTS: readonly CastKind[] = ['nx-recovery', 'reclaim'];

/** What the parameters and the cast ask for beyond the plain machine. */
export function castConfig(
  cast: readonly CastSpec[],
  p: CommonParameters,
  l1SpareTables: number,
): Omit<CastConfig, 'tdpRootLevel'> {
  const hostMap = cast.some(({ kind }) => MOVES_HOST_PAGES.includes(kind));
  return {
    l1Vcpus: p.l1Vcpus,
    hostAdBits: p.format === 'npt' || p.hostAdBits,
    pmlEntries: p.pml,
    ringEntries: p.dirtyRing,
    toggledSlots: cast.flatMap(({ kind, slots }) => (kind === 'log-toggle' ? [...(slots ?? [1])] : [])),
    pscEntries: p.psc,
    hostMap,
    spareFrames: hostMap ? Math.min(4096, Math.max(16, Math.ceil(p.memory / PAGE_SIZE / 4))) : 0,
    flushBackend: p.flushBackend as FlushBackend,
    seqBits: p.seqBits,
    mmioGenBits: p.mmioGenBits,
    nxRecoveryRatio: p.nxRecoveryRatio,
    srcuWorkers: cast.some(({ kind }) => READS_MEMSLOTS.includes(kind)),
    unsync: p.unsync,
    l1SpareTables,
    enomemRate: p.enomemRate,
    slowAckRate: p.slowAckRate,
    spuriousFaultRate: p.spuriousFaultRate,
    longExitRate: p.longExitRate,
  };
}

/** Levels EPT01 needs for the highest gfn; at least three. */
export function levelsFor({ slots, tableBits }: KvmConfig): number {
  const end = Math.max(...slots.map(({ baseGfn, npages }) => baseGfn + npages));
  let levels = 3;
  while (2 ** (levels * tableBits) < end && levels < 5) levels++;
  return levels;
}
