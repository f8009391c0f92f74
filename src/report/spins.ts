/**
 * Spin loops in a run (after Lincheck): an actor makes the same few operations again and again, each with the value it had
 * before, and changes nothing; what others do in between does not matter to it until one of them changes what it reads.
 */
import type { RecordedStep } from './trace.ts';

/** Most operations of a round: load, compare-exchange, load, wait. */
const LONGEST_ROUND = 4;
/** A loop that comes to the same place fewer times is shown as it is. */
const FEWEST_ROUNDS = 3;

export interface Spin {
  readonly actor: number;
  /** Its operations, by their places in the run. */
  readonly places: readonly number[];
  readonly rounds: number;
  /** What it reads, without repetitions. */
  readonly on: readonly string[];
  /** The place of the operation of another actor that ended it; absent if none did. */
  readonly endedBy?: number;
  /** It went on to the end of the run. */
  readonly endless: boolean;
}

const same = (a: RecordedStep, b: RecordedStep): boolean =>
  a.op === b.op && a.word === b.word && a.value === b.value;

const idle = (step: RecordedStep): boolean =>
  !step.changed && step.lock === undefined && step.events === undefined;

/** How often the `length` operations at `at` come one after the other. */
function roundsOf(own: readonly RecordedStep[], at: number, length: number): number {
  let end = at;
  while (end < own.length && idle(own[end]!) && (end < at + length || same(own[end]!, own[end - length]!)))
    end++;
  return Math.floor((end - at) / length);
}

/** The spins of a run, those of each actor in their order. */
export function findSpins(steps: readonly RecordedStep[]): Spin[] {
  const byActor = new Map<number, number[]>();
  steps.forEach(({ actor }, place) => {
    const places = byActor.get(actor);
    if (places === undefined) byActor.set(actor, [place]);
    else places.push(place);
  });
  const spins: Spin[] = [];
  for (const [actor, all] of byActor) {
    const own = all.map((place) => steps[place]!);
    for (let at = 0; at < own.length; at++) {
      for (let length = 1; length <= LONGEST_ROUND; length++) {
        const rounds = roundsOf(own, at, length);
        if (rounds < FEWEST_ROUNDS) continue;
        const places = all.slice(at, at + length * rounds);
        const next = all[at + length * rounds];
        const words = new Set(own.slice(at, at + length).map(({ word }) => word));
        const last = places[places.length - length]!;
        const ender = steps.findIndex(
          (step, place) =>
            place > last &&
            place < (next ?? steps.length) &&
            step.actor !== actor &&
            step.changed &&
            words.has(step.word),
        );
        spins.push({
          actor,
          places,
          rounds,
          on: [...new Set(own.slice(at, at + length).map(({ what }) => what))],
          ...(ender < 0 ? {} : { endedBy: ender }),
          endless: next === undefined && ender < 0,
        });
        at += length * rounds - 1;
        break;
      }
    }
  }
  return spins;
}
