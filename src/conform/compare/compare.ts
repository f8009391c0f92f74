/** Two recordings of one experiment: R, what was seen, and M, what ought to be the same. */
import type { Recording } from '../recording.ts';
import { Tally, type Allowing } from './difference.ts';
import { compareEvents } from './events.ts';
import type { Reader } from './event-text.ts';
import { hostMapOf } from './host-map.ts';
import { PageNames } from './names.ts';
import { compareOperations } from './operations.ts';
import { comparePages, pairPages, type Moment } from './pages.ts';
import { probesOf } from './probes.ts';
import { compareSlots } from './slots.ts';

export interface Comparison {
  readonly tally: Tally;
  /** Types of events that one of the two kernels cannot be seen doing, so that they were not compared. */
  readonly notCompared: readonly string[];
}

/** The moments of which both have a dump, in order. */
function moments(expected: Recording, actual: Recording): Moment[] {
  return expected.operations.flatMap((operation) => {
    if (operation.type !== 'snapshot') return [];
    const { tag, op } = operation;
    const [one, two] = [expected.snapshots[tag], actual.snapshots[tag]];
    return one === undefined || two === undefined ? [] : [{ tag, op, expected: one, actual: two }];
  });
}

export interface CompareOptions {
  readonly allowing?: Allowing;
  /**
   * True: `actual` is a kernel's too, and what its build could not be seen doing is left out as well. False: only what
   * `expected` could not be seen doing is; what `actual` does not show is a difference.
   */
  readonly twoKernels?: boolean;
}

export function compareRecordings(
  expected: Recording,
  actual: Recording,
  { allowing = () => undefined, twoKernels = false }: CompareOptions = {},
): Comparison {
  const tally = new Tally(allowing);
  const both = [expected, actual] as const;
  const probes = (twoKernels ? both : [expected]).map(probesOf);
  const inlined = probes.some((each) => each.inlined);
  const skipped = new Set(probes.flatMap(({ unseen }) => [...unseen]));
  const hosts = [hostMapOf(expected), hostMapOf(actual)] as const;
  const readers: [Reader, Reader] = [
    { host: hosts[0], names: new PageNames(expected), linkFlush: !inlined },
    { host: hosts[1], names: new PageNames(actual), linkFlush: !inlined },
  ];
  compareOperations(tally, both, inlined);
  compareEvents(tally, both, readers, skipped);
  for (const moment of moments(expected, actual)) {
    const pairing = pairPages(moment.expected, moment.actual);
    comparePages(tally, moment, pairing, hosts);
    compareSlots(tally, moment, pairing);
  }
  const seen = new Set([...expected.events, ...actual.events].map(({ type }) => type));
  return {
    tally,
    notCompared: [...skipped]
      .filter((type) => seen.has(type))
      .concat(inlined ? ['flush of probe_link' as never] : []),
  };
}
