/**
 * What an experiment about a claim is. One file each; a user's own is loaded with `--file`. An experiment asks the laboratory
 * for searches, looks at what they found, and answers with a verdict.
 */
import type { StepCheckFamily } from '../../check/types.ts';
import type { CounterName } from '../../cpu/counters.ts';
import type { ActorClass } from '../../cpu/cpu.ts';
import type { LockRowName } from '../../measure/lock-stats.ts';
import type { Figures, Finding, Verdict, Witness } from '../../report/claim-record.ts';
import type { Variant } from '../../variants/define.ts';

/** Values of a scenario's parameters, by name: `{ memory: '64K', nx: true }`. */
export type Given = Readonly<Record<string, string | number | boolean>>;

/** A machine and an engine. */
export interface Setting {
  /** A shipped scenario or the path of a file; in its small form, as `explore` takes it. */
  readonly scenario: string;
  readonly parameters?: Given;
  /** Variants applied from left to right, `p3` or `p0+desc-6.4`; P1 by default. A list may hold variants made here. */
  readonly variant?: string | readonly (string | Variant)[];
  /** Ids of checks whose findings do not count. */
  readonly without?: readonly string[];
  /** Checks of the experiment's own, beside all others. */
  readonly checks?: readonly StepCheckFamily[];
}

export interface ExploreSetting extends Setting {
  /** Schedules at effort 1; at least one is run. */
  readonly schedules: number;
  /** As `explore --strategy` takes it; the portfolio by default. */
  readonly strategy?: string;
  /** Runs all schedules, whatever fails, and counts; by default the first failure ends the search. */
  readonly keepGoing?: boolean;
}

export interface HuntSetting extends Setting {
  /** Gives up after so many schedules, whatever the effort. */
  readonly atMost: number;
  /** As `explore --strategy` takes it; the portfolio by default. */
  readonly strategy?: string;
}

export interface ProveSetting extends Setting {
  /** Every schedule with at most so many preemptions; absent: every behaviour, by partial-order reduction. */
  readonly preemptions?: number;
  /** Gives up after so many schedules, whatever the effort: then nothing is proved. */
  readonly atMost: number;
}

/** What a search found. */
export interface Searched {
  readonly schedules: number;
  readonly steps: number;
  /** Nothing is left to run. Of a random search never true. */
  readonly complete: boolean;
  /** The first failure, shrunk; undefined if nothing was broken. */
  readonly failure: Witness | undefined;
  /** Failing schedules, by check. */
  readonly failing: Readonly<Record<string, number>>;
  /** Sums over all schedules. */
  readonly counters: Readonly<Record<CounterName, number>>;
}

/** A lock in steps: visible operations of all actors together. */
export interface LockSteps {
  readonly acquisitions: number;
  readonly contentions: number;
  /** Steps in all holds, and in the longest. */
  readonly held: number;
  readonly longest: number;
}

export interface MeasureSetting extends Setting {
  /** Schedules at effort 1. */
  readonly schedules: number;
  /** As `explore --strategy` takes it; the random walk by default. */
  readonly strategy?: string;
}

export interface Measured extends Omit<Searched, 'complete'> {
  /** A lock as all took it, or the actors of one class. */
  lock(row: LockRowName, cls?: ActorClass): LockSteps;
}

/** What an experiment works with. Everything it runs goes into the record. */
export interface Lab {
  /** Random schedules in which nothing should be broken. */
  explore(setting: ExploreSetting): Promise<Searched>;
  /** Random schedules up to the first in which something is broken, as should happen. */
  hunt(setting: HuntSetting): Promise<Searched>;
  /** All behaviours of a small machine, or all schedules with few preemptions. */
  prove(setting: ProveSetting): Promise<Searched>;
  /** Random schedules whose locks are timed, in steps; the first failure ends it. */
  measure(setting: MeasureSetting): Promise<Measured>;
}

/** The change under which the experiment must come out otherwise: what shows that it can. */
export interface Control {
  /** What every engine of the experiment gets on top: names joined with `+`, or a variant made here. */
  readonly variant?: string | Variant;
  /** Parameters that every machine of the experiment gets on top. */
  readonly parameters?: Given;
  /** The verdict that must come out; absent: any other one than without the change. */
  readonly verdict?: Verdict;
  /** For `measured`, where the verdict stays: the figure that must be another one. */
  readonly figure?: string;
}

export interface Experiment {
  /** `C3`, `H-A`, `F1`, or a name of your own: letters, digits, `-` and `.`. */
  readonly id: string;
  /** The claim, in one sentence. */
  readonly claim: string;
  /** Ids of kernel-facts it rests on. */
  readonly facts?: readonly string[];
  readonly control: Control;
  run(lab: Lab): Promise<Finding>;
}

/** Gives an experiment its type; returns it as it is. */
export function defineExperiment(experiment: Experiment): Experiment {
  return experiment;
}

type Rest = { readonly figures?: Figures; readonly witnesses?: readonly (Witness | undefined)[] };

const answer =
  (verdict: Verdict) =>
  (text: string, { figures, witnesses }: Rest = {}): Finding => ({
    verdict,
    text,
    ...(figures === undefined ? {} : { figures }),
    ...(witnesses === undefined ? {} : { witnesses: witnesses.filter((one) => one !== undefined) }),
  });

/** Nothing spoke against the claim; the text states the bounds. */
export const confirmed = answer('confirmed');
/** The claim is not so; a witness shows it. */
export const refuted = answer('refuted');
/** The claim is about an amount. */
export const measured = answer('measured');
/** Not settled; the text says what is missing. */
export const open = answer('open');
