/** The parameters of a scenario for a purpose, and their values. */
import type { Scenario } from './define.ts';
import {
  COMMON_PARAMETERS,
  EXPLORE_DEFAULTS,
  ParameterError,
  parseParameter,
  type CommonParameters,
  type Parameter,
  type ParameterValue,
} from './parameters.ts';
import { ScenarioError } from './validate.ts';

/** Which set of defaults applies. */
export type Purpose = 'run' | 'explore';

/** The parameters of a scenario with the defaults of the purpose. */
export function scenarioParameters(scenario: Scenario, purpose: Purpose): Record<string, Parameter> {
  const all: Record<string, Parameter> = { ...COMMON_PARAMETERS, ...scenario.parameters };
  const layers = [scenario.defaults, ...(purpose === 'explore' ? [EXPLORE_DEFAULTS, scenario.explore] : [])];
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer ?? {})) {
      const parameter = all[name];
      if (parameter === undefined)
        throw new ScenarioError(`scenario ${scenario.name} has a default for ${name}, which is no parameter`);
      all[name] = {
        ...parameter,
        default: parseParameter(parameter, value, `${scenario.name}.${name}`),
      } as Parameter;
    }
  }
  return all;
}

/** @throws ParameterError for a name that is no parameter or a value that is not allowed */
export function resolveParameters(
  scenario: Scenario,
  purpose: Purpose,
  given: Readonly<Record<string, unknown>>,
): CommonParameters & Record<string, ParameterValue> {
  const parameters = scenarioParameters(scenario, purpose);
  const values: Record<string, ParameterValue> = {};
  for (const [name, parameter] of Object.entries(parameters)) values[name] = parameter.default;
  for (const [name, value] of Object.entries(given)) {
    const parameter = parameters[name];
    if (parameter === undefined)
      throw new ParameterError(
        name,
        value,
        `a parameter of ${scenario.name}: ${Object.keys(parameters).join(', ')}`,
      );
    values[name] = parseParameter(parameter, value, name);
  }
  return values as CommonParameters & Record<string, ParameterValue>;
}
