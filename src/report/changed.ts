/** Which parameters of a run are not the defaults, as text for reports and command lines. */
import { scenarioParameters, type Purpose } from '../scenario/build.ts';
import type { Scenario } from '../scenario/define.ts';
import {
  formatSize,
  type Parameter,
  type ParameterValue,
  type ParameterValues,
} from '../scenario/parameters.ts';
import type { ChangedParameter } from './schema.ts';

function asGiven(parameter: Parameter, value: ParameterValue): string {
  return parameter.type === 'size' && typeof value === 'number' ? formatSize(value) : String(value);
}

/** In the order in which the scenario lists its parameters. */
export function changedParameters(
  scenario: Scenario,
  purpose: Purpose,
  values: ParameterValues,
): ChangedParameter[] {
  return Object.entries(scenarioParameters(scenario, purpose)).flatMap(([name, parameter]) => {
    const value = values[name];
    if (value === undefined || value === parameter.default) return [];
    return [{ name, value: asGiven(parameter, value), default: asGiven(parameter, parameter.default) }];
  });
}
