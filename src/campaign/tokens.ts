/** Tokens of schedules: made from what was chosen, and compared with the run that comes of them. */
import { check16 } from '../explore/bytes.ts';
import { STRATEGIES } from '../explore/strategies/index.ts';
import { formatToken, LONG_TOKEN, markOf, TokenError, type Token } from '../explore/token.ts';
import type { Machine } from '../scenario/build.ts';
import { VARIANTS } from '../variants/index.ts';
import type { RunPlan, RunSpec } from './run-spec.ts';

/** Tells two machines apart: everything that a run depends on but the engine's code. */
export const machineCheck = ({ config, actors, populate, dims }: Machine): number =>
  check16(JSON.stringify({ config, actors, populate, dims }));

export interface TokenParts extends Pick<
  RunSpec,
  'machine' | 'without' | 'idle' | 'kept' | 'seed' | 'schedule' | 'plan'
> {
  /** Path of a scenario that is no shipped one. */
  readonly scenarioFile: string | undefined;
  readonly variants: readonly string[];
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly steps: number;
  readonly hash: string;
}

/**
 * The token, or undefined where a scenario, a variant or the strategy is a file, as a token names only what is shipped, and
 * where there are many overrides.
 */
export function tokenOf(parts: TokenParts): string | undefined {
  const { machine, plan } = parts;
  const names = [machine.scenario, ...parts.variants];
  if (!('overrides' in plan) && !STRATEGIES.includes(plan.strategy.strategy)) return undefined;
  if (parts.scenarioFile !== undefined || names.some((name) => !/^[a-z0-9][a-z0-9.-]*$/.test(name)))
    return undefined;
  const token: Token = {
    scenario: machine.scenario,
    variants: parts.variants,
    parameters: Object.fromEntries(Object.entries(parts.given).map(([name, value]) => [name, String(value)])),
    idle: [...parts.idle].sort((a, b) => a - b),
    without: [...parts.without].sort(),
    plan:
      'overrides' in plan
        ? {
            overrides: plan.overrides,
            ...(parts.kept === undefined || parts.kept.size === 0 ? {} : { kept: parts.kept }),
          }
        : {
            strategy: STRATEGIES.indexOf(plan.strategy.strategy),
            option: plan.strategy.option,
            ...(plan.excerpt === undefined ? {} : { excerpt: plan.excerpt }),
          },
    seed: parts.seed,
    schedule: parts.schedule,
    steps: parts.steps,
    hash: parts.hash,
    machine: machineCheck(machine),
  };
  const text = formatToken(token);
  // Many overrides are better kept in a schedule file.
  if ('overrides' in plan && text.length > MOST_EXPLICIT) return undefined;
  return text.length <= LONG_TOKEN ? text : formatToken({ ...token, variants: token.variants.map(marked) });
}

/** Longest token of overrides. */
const MOST_EXPLICIT = 400;

/** P1 is left out of a token; no other name is. */
const marked = (variant: string): string => (variant === 'p1' ? variant : markOf(variant));

/** The names of a token's variants. @throws TokenError for a mark that is no shipped variant's */
export function variantsOf({ variants }: Token): string[] {
  return variants.map((name) => {
    if (!name.startsWith('@')) return name;
    const found = VARIANTS.find((variant) => markOf(variant.name) === name);
    if (found === undefined)
      throw new TokenError(`token: it names a variant by ${name}, which this version does not have`);
    return found.name;
  });
}

/** True if a word of the command line can only be meant as a token. */
export const looksLikeToken = (text: string | undefined): text is string =>
  text !== undefined && /^S\d+\./.test(text);

/** The strategy or the overrides that a token names. @throws TokenError for a strategy that does not exist */
export function planOf({ plan }: Token): RunPlan {
  if ('overrides' in plan) return plan;
  const strategy = STRATEGIES[plan.strategy];
  if (strategy === undefined)
    throw new TokenError(`token: it names strategy ${plan.strategy}, which this version does not have`);
  return {
    strategy: { strategy, option: plan.option },
    ...(plan.excerpt === undefined ? {} : { excerpt: plan.excerpt }),
  };
}

/** What a token expects of its run. */
export interface Expectation {
  readonly steps: number;
  readonly hash: string;
  readonly machine: number;
}

/** Why a run is not the one the token was made of, or undefined if it is. */
export function divergence(
  expected: Expectation,
  machine: Machine,
  actual: { readonly steps: number; readonly hash: string },
): string | undefined {
  if (actual.hash === expected.hash && actual.steps === expected.steps) return undefined;
  const run = `it made ${actual.steps} steps with trace ${actual.hash}, the token's run ${expected.steps} with trace ${expected.hash}`;
  return machineCheck(machine) === expected.machine
    ? `${run}; the machine is the same: the engine, a variant, an actor or a strategy has changed since`
    : `${run}; the scenario or its parameters have changed since`;
}
