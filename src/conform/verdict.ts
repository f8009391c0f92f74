/** One recording held against the model: what was compared, what differs, and whether that is all right. */
import type { Engine } from '../mmu/engine.ts';
import { allowing, MAX_ALLOWED_SHARE } from './allowed.ts';
import { compareRecordings } from './compare/compare.ts';
import { KINDS, type Counted, type KeptDifference, type Kind } from './compare/difference.ts';
import type { Tally } from './compare/difference.ts';
import { operationBefore } from './describe.ts';
import { engineNamed, profileOf } from './engine-for.ts';
import type { LoadedRecording } from './load.ts';
import { perform } from './perform.ts';
import type { Recording } from './recording.ts';

/** By what the recorded guest is. */
export type Family = 'nested' | 'tdp';

export interface Verdict {
  readonly file: string;
  readonly recording: Recording;
  readonly model: Recording;
  readonly family: Family;
  /** The engine that stood for the kernel. */
  readonly engine: string;
  readonly tally: Tally;
  /** What this kernel's build cannot be seen doing. */
  readonly notCompared: readonly string[];
  readonly unknownEvents: ReadonlyMap<string, number>;
  /** Why it does not conform, one line each, beside differences: the model stopped, broke a rule of its own. */
  readonly troubles: readonly string[];
  /** No difference but those on the list, and few enough of them. */
  readonly conforms: boolean;
}

export const familyOf = ({ setup }: Recording): Family => (setup.npt12_roots.length > 0 ? 'nested' : 'tdp');

/** Differences that no entry of the list covers. */
export const unexplained = ({ different, allowed }: Counted): number => different - allowed;
export const allowedShare = ({ compared, allowed }: Counted): number =>
  compared === 0 ? 0 : allowed / compared;

/** An engine, and what it is called in the report. */
export interface StandIn {
  readonly name: string;
  readonly engine: Engine;
}

/** @throws NotPerformable if nobody knows what the recording's kernel behaves as */
export function standInOf(recording: Recording): StandIn {
  const name = profileOf(recording);
  return { name, engine: engineNamed(name) };
}

/**
 * @param standIn for the kernel, in place of the profile that it is known to behave as
 * @throws NotPerformable if the model has no such machine
 */
export function judge(loaded: LoadedRecording, standIn?: StandIn): Verdict {
  const { recording, file, unknownEvents } = loaded;
  const { name: engine, engine: steps } = standIn ?? standInOf(recording);
  const performed = perform(recording, steps);
  const { tally, notCompared } = compareRecordings(recording, performed.recording, { allowing });
  const total = tally.total();
  const troubles = performed.broken.map((text) => `the model broke a rule: ${text}`);
  if (performed.stopped !== undefined)
    troubles.push(
      `the model stopped in ${operationBefore(recording, performed.stopped.op)}: ${performed.stopped.text}`,
    );
  if (allowedShare(total) > MAX_ALLOWED_SHARE)
    troubles.push(
      `${(100 * allowedShare(total)).toFixed(1)} % of the values differ as listed; at most ${100 * MAX_ALLOWED_SHARE} % may`,
    );
  return {
    file,
    recording,
    model: performed.recording,
    family: familyOf(recording),
    engine,
    tally,
    notCompared,
    unknownEvents,
    troubles,
    conforms: unexplained(total) === 0 && troubles.length === 0,
  };
}

/** The first difference that counts; undefined if there is none. */
export const firstDifference = (tally: Tally): KeptDifference | undefined =>
  tally.differences().find(({ allowed }) => allowed === undefined);

const DIFFERENCES_IN_JSON = 100;

/** What `--json` writes for one file. */
export function verdictJson(verdict: Verdict): unknown {
  const { file, recording, tally } = verdict;
  return {
    file,
    name: recording.name,
    kernel: recording.kernel,
    family: verdict.family,
    engine: verdict.engine,
    conforms: verdict.conforms,
    ...tally.total(),
    kinds: countsJson(tally),
    allowedBy: Object.fromEntries(tally.allowedBy),
    troubles: verdict.troubles,
    notCompared: verdict.notCompared,
    unknownEvents: Object.fromEntries(verdict.unknownEvents),
    differences: tally
      .differences()
      .filter(({ allowed }) => allowed === undefined)
      .slice(0, DIFFERENCES_IN_JSON)
      .map((difference) => ({ ...difference, after: operationBefore(recording, difference.op) })),
  };
}

export function countsJson({ counts }: Tally): Partial<Record<Kind, Counted>> {
  return Object.fromEntries(
    KINDS.filter((kind) => counts[kind].compared > 0).map((kind) => [kind, counts[kind]]),
  );
}

/** Sums over several files. */
export function sumCounts(all: ReadonlyArray<Readonly<Record<Kind, Counted>>>): Record<Kind, Counted> {
  return Object.fromEntries(
    KINDS.map((kind) => [
      kind,
      all.reduce<Counted>(
        (sum, counts) => ({
          compared: sum.compared + counts[kind].compared,
          different: sum.different + counts[kind].different,
          allowed: sum.allowed + counts[kind].allowed,
        }),
        { compared: 0, different: 0, allowed: 0 },
      ),
    ]),
  ) as Record<Kind, Counted>;
}
