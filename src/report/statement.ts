/** What an exhaustive search has shown, in words that can be cited, and what it has not. A pure function from data. */
import type { Outcome } from './schema.ts';
import { formatCount, plural } from './text.ts';

/** Plain data of a proof; part of the JSON outcome. */
export type Proof = NonNullable<Outcome['proof']>;
export type ProofEstimate = NonNullable<Proof['estimate']>;

/** Paragraphs; the first one is the claim. */
export function statement(proof: Proof): string[] {
  const what = `${proof.scenario} (${plural(proof.actors.length, 'actor')}) under ${proof.variant}`;
  const parts = [proof.method === 'dpor' ? claimOfAll(proof, what) : claimOfBound(proof, what)];
  if (proof.stopped === 'violation') return parts;
  if (parts[0]!.startsWith('PROVED')) parts.push(scope(proof));
  if (proof.unfair > 0) parts.push(unfairness(proof));
  const doubt = doubts(proof);
  if (doubt !== '') parts.push(doubt);
  return parts;
}

const STOPPED: Readonly<Record<Proof['stopped'], string>> = {
  complete: '',
  schedules: 'the budget of schedules was used up',
  duration: 'the time was up',
  interrupted: 'it was interrupted',
  memory: 'the schedules that wait for the next bound would not fit into memory',
  violation: 'a check was broken',
};

function claimOfAll(proof: Proof, what: string): string {
  const runs = plural(proof.schedules, 'class', 'classes');
  const seen = proof.redundant === 0 ? '' : `; ${plural(proof.redundant, 'run')} given up as seen before`;
  if (proof.stopped === 'violation') {
    return `NOT SO: a schedule of ${what} breaks a check. It came after ${plural(proof.schedules, 'run')}.`;
  }
  if (proof.complete && commutes(proof)) {
    return (
      `PROVED: every behaviour of ${what} was run, and no check was broken. Schedules that order dependent operations alike are ` +
      `one class: there are ${runs}, each run once${seen}.`
    );
  }
  const run = `${runs} of schedules of ${what} ${proof.schedules === 1 ? 'was' : 'were'} run without a broken check${seen}`;
  return `NOTHING IS PROVED: ${run}, but ${whyNot(proof)}.`;
}

function claimOfBound(proof: Proof, what: string): string {
  const { exhausted, bound } = proof;
  if (proof.stopped === 'violation') {
    const fewer =
      exhausted! >= 0 ? `, and none with at most ${exhausted} does` : ', which is the fewest there can be';
    return `NOT SO: a schedule of ${what} with ${plural(exhausted! + 1, 'preemption')} breaks a check${fewer}.`;
  }
  const all = (most: number): string => `all schedules of ${what} with at most ${plural(most, 'preemption')}`;
  if (proof.complete) {
    return (
      `PROVED: ${all(bound!)} were run, ${formatCount(proof.schedules)} of them, and no check was broken. ` +
      `Switches away from an actor that blocks or ends are free and were all tried; at a safepoint the next in turn goes on, between two moves of an actor that one, and anything else counts like a preemption.`
    );
  }
  if (exhausted! < 0 || proof.truncated > 0) {
    return `NOTHING IS PROVED: ${plural(proof.schedules, 'schedule')} of ${what} ran without a broken check, but ${whyNot(proof)}.`;
  }
  return (
    `PROVED IN PART: ${all(exhausted!)} were run, and no check was broken. With ${exhausted! + 1}, ` +
    `${Math.floor((proof.ofNext ?? 0) * 100)} % of those known were run, ${formatCount(proof.schedules)} schedules in all; then ${whyNot(proof)}.`
  );
}

function whyNot(proof: Proof): string {
  if (proof.stopped !== 'complete') return STOPPED[proof.stopped];
  if (proof.truncated > 0) return `${plural(proof.truncated, 'schedule')} reached the step limit`;
  return 'the order of independent operations matters in this machine';
}

/** What the claim rests on and where it ends. */
function scope(proof: Proof): string {
  const draws =
    'It holds for the choices and the workload that this seed draws, for sequentially consistent memory, and for the checks that ran';
  if (proof.method === 'preemptions') {
    return `${draws}; schedules with more preemptions were not looked at.`;
  }
  return (
    `${draws}. Deadlocks, what each actor sees, the order on every word, and the state at the end are those of all ` +
    `schedules; checks on the way (at releases of mmu_lock, step by step) were made in one order of each class, and could ` +
    `differ in another only if they compare operations that do not depend on each other.`
  );
}

/** An unfair schedule can go on for ever: somebody spins or gives way to one who is never scheduled. */
function unfairness({ unfair, schedules }: Proof): string {
  return (
    `${formatCount(unfair)} of the ${formatCount(schedules)} starved somebody for so long that from there on everybody got a turn, ` +
    `round by number: how else they could have gone on was not looked at, as such schedules have no end.`
  );
}

/** Nothing speaks against it that independent operations can change places. */
export const commutes = ({ reordered }: Pick<Proof, 'reordered'>): boolean =>
  reordered.differences.length + reordered.races.length === 0;

function doubts(proof: Proof): string {
  const { runs, differences, watched, races } = proof.reordered;
  if (proof.method !== 'dpor' || runs === 0) return '';
  if (commutes(proof)) {
    return (
      `That independent operations commute here was looked at in all ${plural(watched, 'run')}, those of the search included: no actor ` +
      `touched a word that another changes unless operations say who comes first. ${plural(runs, 'random run')} made again with them ` +
      `in another order came to the same memory and the same verdict.`
    );
  }
  const found: string[] = [];
  if (races.length > 0) found.push(`Actors share ${races.join('; ')}.`);
  if (differences.length > 0) {
    found.push(
      `${plural(runs, 'random run')} were made again with their independent operations in another order, and some differed in ` +
        `${differences.join(', ')}: actors share something besides visible operations.`,
    );
  }
  return `${found.join(' ')} --preemptions N does not rely on it.`;
}
