/** What an experiment about a claim has come to, as plain data: what `claims` prints, and writes as JSON. */

/**
 * - `confirmed`: nothing spoke against it, within the bounds that the text and the runs state
 * - `refuted`: a run shows that it is not so; a witness replays it
 * - `measured`: the claim is about an amount, and here it is
 * - `open`: not settled; the text says what is missing
 */
export const VERDICTS = ['confirmed', 'refuted', 'measured', 'open'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** How schedules were chosen. */
export type SearchMethod = 'every behaviour' | 'preemptions' | 'random' | 'measured';

/** One search that an experiment has made. */
export interface ClaimRun {
  /** What a user types to make it again, as far as a command line can say it. */
  readonly command: string;
  readonly method: SearchMethod;
  readonly schedules: number;
  readonly steps: number;
  /** Nothing is left to be run: all behaviours, or all schedules with at most `bound` preemptions. */
  readonly complete: boolean;
  readonly bound?: number;
  /** Good and Turing's estimate that one more schedule would show a new behaviour; of random searches. */
  readonly nextIsNew?: number;
  /** The first check that was broken, if one was. */
  readonly broken?: string;
}

/** A run that shows something. */
export interface Witness {
  /** What it shows, in a few words. */
  readonly what: string;
  readonly check: string;
  /** What the check found. */
  readonly found: string;
  /** `splitstorm explain TOKEN`; absent where no token can name the run. */
  readonly token?: string;
  readonly preemptions: number;
}

export type Figures = Readonly<Record<string, number | string>>;

/** What an experiment answers. */
export interface Finding {
  readonly verdict: Verdict;
  /** The answer in a sentence or two, with its bounds. */
  readonly text: string;
  readonly figures?: Figures;
  readonly witnesses?: readonly Witness[];
}

/** The same experiment under an engine or a machine in which it must come out otherwise. */
export interface ControlRecord {
  /** What was changed: variant and parameters. */
  readonly changed: string;
  readonly verdict: Verdict;
  readonly text: string;
  readonly schedules: number;
  /** False: the experiment does not see the difference, and its verdict says nothing. */
  readonly otherwise: boolean;
}

export interface ClaimRecord extends Finding {
  readonly id: string;
  readonly claim: string;
  readonly facts: readonly string[];
  readonly runs: readonly ClaimRun[];
  readonly control?: ControlRecord;
  readonly seconds: number;
  /** The harness failed: what with. The verdict is `open`. */
  readonly error?: string;
}
