/** What every runtime hands back (design 7). */

/** A broken rule with the place where it broke. */
export interface Violation {
  /** Id of the check (kernel-facts 6), or `deadlock`, `livelock`, `starvation`, `BUG`, `crash`. */
  readonly id: string;
  readonly text: string;
  /** Words of the arena involved. */
  readonly words: readonly number[];
  /** Actor that was running, -1 if none. */
  readonly actor: number;
  readonly actorName: string;
  /** Visible operations done before; -1 where the runtime does not count them. */
  readonly step: number;
}

export type Verdict = 'clean' | 'violation' | 'inconclusive' | 'error';

/** Exit statuses (design 7). */
export const EXIT_STATUS: Readonly<Record<Verdict, number>> = {
  clean: 0,
  violation: 1,
  inconclusive: 3,
  error: 3,
};
export const EXIT_USAGE = 2;
export const EXIT_INTERRUPTED = 130;
