/** Putting an Outcome together from what a runtime handed back. */
import { availableParallelism } from 'node:os';
import { INVARIANTS } from '../check/all.ts';
import { GENERATOR } from '../cpu/random.ts';
import type { RunStatistics } from '../measure/summary.ts';
import { changedParameters } from '../report/changed.ts';
import { SCHEMA_VERSION, type Outcome, type OutcomeActor, type OutcomeViolation } from '../report/schema.ts';
import { EXIT_INTERRUPTED, EXIT_STATUS, type Verdict, type Violation } from '../runtime/outcome.ts';
import type { Machine } from '../scenario/build.ts';
import type { Scenario } from '../scenario/define.ts';
import type { CanaryResult } from './canary.ts';
import { machineNotes } from './refusals.ts';

/** Sentences of ids that are no invariants of kernel-facts 6. */
const OTHER_SENTENCES: Readonly<Record<string, string>> = {
  deadlock: 'Somebody can always go on until all are done.',
  livelock: 'Steps lead to progress.',
  starvation: 'Whoever waits for mmu_lock gets it, and a split pass splits, once everybody takes turns.',
  C11: 'The split caches never run dry in the middle of a split.',
  BUG: 'The kernel never meets a state that it answers with BUG().',
  divergence: 'The same seed gives the same trace.',
};

/** Ids that are reported from inside the model, whatever checks are chosen. */
const INSIDE = INVARIANTS.filter((invariant) => invariant.kind === 'inside').map((invariant) => invariant.id);

/** The ids that a set of checks covers, each once, in the order of the kernel-facts: Q before D, by number. */
export function checkIds(checks: readonly { readonly ids: readonly string[] }[]): string[] {
  const ids = new Set([...checks.flatMap((check) => check.ids), ...INSIDE]);
  return [...ids].sort(
    (a, b) => b.charCodeAt(0) - a.charCodeAt(0) || Number(a.slice(1)) - Number(b.slice(1)),
  );
}

/** The sentence of a check; empty for an unknown id. */
export function sentenceOf(id: string): string {
  return INVARIANTS.find((invariant) => invariant.id === id)?.sentence ?? OTHER_SENTENCES[id] ?? '';
}

export interface OutcomeParts {
  readonly kind: Outcome['kind'];
  readonly version: string;
  readonly scenario: Scenario;
  readonly machine: Machine;
  readonly variants: readonly string[];
  readonly seed: string;
  readonly mode: Outcome['runtime']['mode'];
  readonly threads: number;
  readonly traceHash: string | null;
  readonly reproduce: string;
  readonly token?: string | undefined;
  readonly startedAt?: Date;
  readonly durationMs: number;
  readonly exploration?: Outcome['exploration'];
  readonly proof?: Outcome['proof'];
  readonly violations: readonly Violation[];
  readonly checksRan: readonly string[];
  readonly inspections: number;
  readonly canary?: CanaryResult;
  readonly statistics: RunStatistics;
  readonly actors: readonly OutcomeActor[];
  readonly caveats: readonly string[];
  /** The harness itself failed, or nothing conclusive was done. */
  readonly failed: boolean;
  readonly inconclusive: boolean;
  readonly interrupted: boolean;
}

/** A violation outweighs everything else: what was found is found. */
function verdictOf(parts: OutcomeParts): Verdict {
  if (parts.violations.length > 0) return 'violation';
  if (parts.failed || parts.canary?.alive === false) return 'error';
  return parts.inconclusive ? 'inconclusive' : 'clean';
}

/** A range backend that is never given a range is a full one under another name. */
function rangeNote({ machine, statistics }: OutcomeParts): string[] {
  if (machine.config.flushBackend === 'full' || statistics.counters.total.flushRanges > 0) return [];
  return [
    `flushBackend ${machine.config.flushBackend} was given no range: no flush of this run named one, so it says nothing about ranges`,
  ];
}

export function makeOutcome(parts: OutcomeParts): Outcome {
  const verdict = verdictOf(parts);
  return {
    schemaVersion: SCHEMA_VERSION,
    tool: { name: 'splitstorm', version: parts.version },
    kind: parts.kind,
    verdict,
    exitStatus: parts.interrupted ? EXIT_INTERRUPTED : EXIT_STATUS[verdict],
    scenario: parts.scenario.name,
    parameters: { ...parts.machine.parameters },
    changed: changedParameters(parts.scenario, parts.machine.purpose, parts.machine.parameters),
    variant: parts.variants.join('+'),
    seed: parts.seed,
    generator: GENERATOR,
    runtime: {
      mode: parts.mode,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      cores: availableParallelism(),
      threads: parts.threads,
    },
    traceHash: parts.traceHash,
    token: parts.token ?? null,
    reproduce: { command: parts.reproduce },
    ...(parts.startedAt === undefined ? {} : { startedAt: parts.startedAt.toISOString() }),
    durationMs: parts.durationMs,
    ...(parts.exploration === undefined ? {} : { exploration: parts.exploration }),
    ...(parts.proof === undefined ? {} : { proof: parts.proof }),
    violations: parts.violations.map((violation): OutcomeViolation => ({
      ...violation,
      words: [...violation.words],
      sentence: sentenceOf(violation.id),
    })),
    checks: { ran: [...parts.checksRan], stops: parts.inspections },
    ...(parts.canary === undefined
      ? {}
      : {
          canary: {
            alive: parts.canary.alive,
            proved: [...parts.canary.proved],
            dead: [...parts.canary.dead],
          },
        }),
    statistics: parts.statistics,
    actors: [...parts.actors],
    caveats: [
      ...machineNotes(parts.machine),
      ...rangeNote(parts),
      ...(parts.canary?.dead ?? []).map((text) => `the canary is dead: ${text}`),
      ...parts.caveats,
    ],
  };
}
