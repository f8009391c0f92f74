/** The run that a token names, as data: for whoever has no command line. */
import { parseToken } from '../explore/token.ts';
import { buildMachine, layoutThatFits } from '../scenario/build.ts';
import type { Scenario } from '../scenario/define.ts';
import { loadScenario } from '../scenario/load.ts';
import type { RunSpec } from './run-spec.ts';
import { planOf, variantsOf } from './tokens.ts';
import { loadEngine } from './variants.ts';

export interface TokenRun {
  readonly spec: RunSpec;
  readonly scenario: Scenario;
  readonly variants: string[];
  /** Parameters that differ from the defaults. */
  readonly given: Readonly<Record<string, string>>;
}

/**
 * Reads a token.
 * @param limitBytes size that the arena may have
 * @throws TokenError, and ScenarioError or ParameterError where it names what does not exist any more
 */
export async function runOfToken(text: string, limitBytes: number): Promise<TokenRun> {
  const token = parseToken(text);
  const { parameters: given, plan, seed, schedule } = token;
  const scenario = await loadScenario(token.scenario);
  const machine = buildMachine(scenario, 'explore', given);
  const variants = variantsOf(token);
  const spec: RunSpec = {
    machine,
    layout: layoutThatFits(machine, limitBytes),
    engine: await loadEngine(variants),
    custom: scenario.actors,
    without: new Set(token.without),
    idle: new Set(token.idle),
    ...('kept' in plan && plan.kept !== undefined ? { kept: plan.kept } : {}),
    seed,
    schedule,
    plan: planOf(token),
  };
  return { spec, scenario, variants, given };
}
