/** Historical bugs as variants: what went wrong, what it takes, and which check is to see it (kernel-facts 7 and 12). */
import type { Engine } from '../mmu/engine.ts';
import { defineVariant, type Variant } from './define.ts';

/** A further machine in which a bug has to be found. */
export interface HuntingGround {
  readonly scenario: string;
  /** Parameters of it, if it is not to be as it is explored. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** The history of a bug, for `splitstorm bugs`. */
export interface BugRecord {
  /** Row of kernel-facts 7 (`B-04`), or the switch of section 12 or the hypothesis that it stands for. */
  readonly id: string;
  /** Commits that mended it, 12 digits each; empty for bugs that only a design could have. */
  readonly fix: readonly string[];
  /** Year of the fix, or of the proposal. */
  readonly year: number;
  /** One paragraph: what the code did wrong. */
  readonly wrong: string;
  /** What has to come together before anybody notices. */
  readonly needs: string;
  /** Id of the check that has to fire. */
  readonly expected: string;
  /** Checks that may fire before it, each with the reason why that is as good. */
  readonly mayFireFirst: Readonly<Record<string, string>>;
  /** Checks that a hunt leaves out, each with the reason: they see an older bug that this one cannot do without. */
  readonly without: Readonly<Record<string, string>>;
  /** Where it is hunted beside the scenario of its variant: each has a score of its own. */
  readonly alsoFrom: readonly HuntingGround[];
}

export interface BugSpec {
  readonly name: string;
  /** One sentence for `list`. */
  readonly summary: string;
  readonly id: string;
  readonly fix?: readonly string[];
  readonly year: number;
  readonly wrong: string;
  readonly needs: string;
  readonly expected: string;
  readonly mayFireFirst?: Readonly<Record<string, string>>;
  readonly without?: Readonly<Record<string, string>>;
  /** Further ids of kernel-facts. */
  readonly facts?: readonly string[];
  readonly scenario: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly alsoFrom?: readonly HuntingGround[];
  readonly apply: (base: Engine) => Partial<Engine>;
}

/** A bug: a variant that restores what the kernel did, with its record. */
export function defineBug(spec: BugSpec): Variant {
  const { name, summary, scenario, parameters, apply, id, fix = [], year, wrong, needs, expected } = spec;
  const { mayFireFirst = {}, without = {}, alsoFrom = [] } = spec;
  return defineVariant({
    name,
    summary,
    kind: 'bug',
    facts: [id, ...(spec.facts ?? []), ...fix],
    caughtBy: [expected, ...Object.keys(mayFireFirst)],
    scenario,
    ...(parameters === undefined ? {} : { parameters }),
    bug: { id, fix, year, wrong, needs, expected, mayFireFirst, without, alsoFrom },
    apply,
  });
}
