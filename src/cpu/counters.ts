/** Counters every actor keeps in its own row; the coordinator reads them live and merges them by adding. */
export const COUNTERS = [
  // the split, kernel-facts 3
  'splitOk',
  'splitEagain',
  'splitEnospc',
  'splitEnomem',
  'split1g',
  'split2m',
  'spNew',
  'spReused',
  'topups',
  'topupsCacheLow',
  'topupsContended',
  'topupsResched',
  'restarts',
  'roundsWithoutSplit',
  'walkerYields',
  'walkerYieldsContended',
  'splitHolds',
  'holesLeft',
  // flushes by reason
  'flushes',
  'flushSplit',
  'flushEndOfIoctl',
  'flushFault',
  'flushZap',
  'flushWriteProtect',
  'flushRecycle',
  'flushLogOff',
  'flushIpis',
  // faults and guest
  'faults',
  'faultsFixed',
  'faultsSpurious',
  'faultsRetried',
  'faultsEmulated',
  'faultsInjected',
  'nxSplits',
  'prefetched',
  'recycled',
  'shadowZapped',
  'spCreated',
  'spFound',
  'guestReads',
  'guestWrites',
  'guestFetches',
  'tlbMisses',
  'tlbFlushes',
  'guestEntries',
  // dirty log and migration
  'dirtySet',
  'dirtyHarvested',
  'pagesCopied',
  'rounds',
  'migrations',
  'pagesCompared',
] as const;
export type CounterName = (typeof COUNTERS)[number];

/** Index of each counter in a row. */
export const C = Object.fromEntries(COUNTERS.map((name, index) => [name, index])) as Record<
  CounterName,
  number
>;

/** Length of a row. */
export const COUNTER_ROW = COUNTERS.length;
