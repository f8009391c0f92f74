/** What everybody beside the L2 vCPUs and the migration did, as labelled lines: only what occurred. */
import type { CounterName } from '../cpu/counters.ts';
import { formatCount } from './text.ts';

type Group = readonly (readonly [name: string, counter: CounterName])[];

/** Labels, and what is said of each counter behind them. */
const GROUPS: Readonly<Record<string, Group>> = {
  'TDP MMU': [
    ['splits', 'tdpSplits'],
    ['retried', 'tdpSplitRetries'],
    ['ENOMEM', 'tdpSplitEnomem'],
    ['yields', 'tdpYields'],
    ['mapped', 'tdpMapped'],
    ['zapped', 'tdpZapped'],
    ['lost races', 'tdpFrozenRetries'],
    ['fast page faults', 'fastPageFaults'],
    ['tables to RCU', 'rcuQueued'],
    ['freed', 'rcuFreed'],
  ],
  L1: [
    ['writes', 'l1Writes'],
    ['edits of tables', 'l1Edits'],
    ['emulated', 'pteWrites'],
    ['floods', 'pteFloods'],
    ['writes to parts of entries', 'pteMisaligned'],
    ['went unsync', 'unsyncPages'],
    ['synced', 'syncedPages'],
    ['INVEPTs', 'inveptExits'],
  ],
  host: [
    ['invalidations', 'invalidations'],
    ['moved', 'pagesMoved'],
    ['swapped', 'pagesSwapped'],
    ['aged', 'pagesAged'],
    ['change_pte', 'changePtes'],
    ['stale faults', 'staleFaults'],
  ],
  'whole VM': [
    ['zap-alls', 'zapAlls'],
    ['obsolete pages zapped', 'obsoleteZapped'],
    ['NX recovered', 'nxRecovered'],
    ['slots deleted', 'slotsDeleted'],
    ['slots created', 'slotsCreated'],
    ['limit changes', 'limitChanges'],
    ['shrinks', 'shrinks'],
    ['MMU resets', 'mmuReloads'],
    ['MMIO generations', 'mmioWraps'],
    ['VMs taken down', 'teardowns'],
    ['MMIO SPTEs', 'mmioSptes'],
    ['MMIO accesses', 'mmioAccesses'],
  ],
  'dirty tracking': [
    ['PML drained', 'pmlFlushes'],
    ['PML full', 'pmlFull'],
    ['ring full', 'ringFull'],
    ['ring entries reset', 'ringResets'],
    ['log off and on', 'logToggles'],
  ],
  'faults injected': [
    ['ENOMEM', 'injectedEnomem'],
    ['slow acknowledgements', 'injectedSlowAcks'],
    ['page faults', 'injectedFaults'],
    ['long stays outside', 'injectedStays'],
  ],
};

export interface CastLine {
  readonly label: string;
  readonly parts: readonly string[];
}

export function castLines(counts: Readonly<Partial<Record<CounterName, number>>>): CastLine[] {
  return Object.entries(GROUPS).flatMap(([label, group]) => {
    const parts = group
      .filter(([, counter]) => (counts[counter] ?? 0) > 0)
      .map(([name, counter]) => `${name} ${formatCount(counts[counter]!)}`);
    return parts.length === 0 ? [] : [{ label, parts }];
  });
}

/** `migration`, `L2 vCPU 0 to 3`, `mmu-notifier`: the actors in their order, those with running numbers together. */
export function actorNames(names: readonly string[]): string[] {
  const groups: { stem: string; first: string; last: string }[] = [];
  for (const name of names) {
    const match = /^(.*?) (\d+)$/.exec(name);
    const stem = match?.[1] ?? name;
    const number = match?.[2] ?? '';
    const group = groups.at(-1);
    if (group !== undefined && number !== '' && group.stem === stem) group.last = number;
    else groups.push({ stem, first: number, last: number });
  }
  return groups.map(({ stem, first, last }) => {
    if (first === '') return stem;
    return first === last ? `${stem} ${first}` : `${stem} ${first} to ${last}`;
  });
}
