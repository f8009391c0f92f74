/** The bugs to be hunted, and what each hunt is made of. */
import type { Variant } from '../../variants/define.ts';
import { VARIANTS } from '../../variants/index.ts';

/** Where bugs without a scenario of their own are hunted. */
const ANYWHERE = 'nested-migration';

/** D24 counts flushes against the profile: a missing flush shows at once, and what matters is that its damage is seen. */
const ACCOUNTING = 'D24';

/** A bug, a scenario that gives it a chance, and what may catch it. */
export interface Quarry {
  readonly name: string;
  readonly id: string;
  readonly summary: string;
  readonly scenario: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly without: readonly string[];
  /** The check that has to fire. */
  readonly expected: string;
  /** Further checks that count as well. */
  readonly accepted: readonly string[];
}

const texts = (parameters: Readonly<Record<string, unknown>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)]));

/** The bug where it is hunted first. @param scenario in place of the bug's own, with its default parameters */
export function quarryOf(variant: Variant, scenario?: string): Quarry {
  const expected = variant.bug?.expected ?? variant.caughtBy[0]!;
  return {
    name: variant.name,
    id: variant.bug?.id ?? variant.facts[0]!,
    summary: variant.summary,
    scenario: scenario ?? variant.scenario ?? ANYWHERE,
    parameters: scenario === undefined ? texts(variant.parameters) : {},
    without: [...(expected === ACCOUNTING ? [] : [ACCOUNTING]), ...Object.keys(variant.bug?.without ?? {})],
    expected,
    accepted: variant.caughtBy,
  };
}

/** The bug in each scenario that it has to be found in, its own first; in `scenario` alone if that is given. */
export function quarriesOf(variant: Variant, scenario?: string): readonly Quarry[] {
  const first = quarryOf(variant, scenario);
  if (scenario !== undefined) return [first];
  const further = variant.bug?.alsoFrom ?? [];
  return [
    first,
    ...further.map((ground) => ({
      ...first,
      scenario: ground.scenario,
      parameters: texts(ground.parameters),
    })),
  ];
}

export const BUG_VARIANTS: readonly Variant[] = VARIANTS.filter(({ kind }) => kind === 'bug');

/** The bugs named, by variant or by id of kernel-facts (`B-50`); several variants may have one id. */
export function findBugs(name: string): readonly Variant[] {
  const wanted = name.toLowerCase();
  const exact = BUG_VARIANTS.filter((variant) => variant.name === wanted);
  if (exact.length > 0) return exact;
  return BUG_VARIANTS.filter(
    ({ bug, facts }) =>
      bug?.id.toLowerCase() === wanted || facts.some((fact) => fact.toLowerCase() === wanted),
  );
}
