/** A failing run by its token, explained as `explain` does it, without shrinking. */
import { explainFailure } from '../../src/campaign/explain-failure.ts';
import type { RunSpec } from '../../src/campaign/run-spec.ts';
import { planOf, variantsOf } from '../../src/campaign/tokens.ts';
import { parseToken } from '../../src/explore/token.ts';
import type { Explanation } from '../../src/report/explanation.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import type { Scenario } from '../../src/scenario/define.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { engineOf, findVariant } from '../../src/variants/index.ts';
import { LIMIT } from './machines.ts';

/** What a token says, ready to run. */
export async function runOf(
  text: string,
): Promise<{ spec: RunSpec; scenario: Scenario; variants: string[]; given: Record<string, string> }> {
  const token = parseToken(text);
  const scenario = await loadScenario(token.scenario);
  const machine = buildMachine(scenario, 'explore', token.parameters);
  const variants = variantsOf(token);
  const spec: RunSpec = {
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: engineOf(variants.map((name) => findVariant(name)!)),
    custom: scenario.actors,
    without: new Set(token.without),
    idle: new Set(token.idle),
    seed: token.seed,
    schedule: token.schedule,
    plan: planOf(token),
    ...('kept' in token.plan && token.plan.kept !== undefined ? { kept: token.plan.kept } : {}),
  };
  return { spec, scenario, variants, given: { ...token.parameters } };
}

export async function explained(text: string, maxSwaps = 200): Promise<Explanation> {
  return explainFailure({
    ...(await runOf(text)),
    shrunk: '',
    commands: () => [['replay', 'npx splitstorm replay TOKEN']],
    maxSwaps,
  });
}
