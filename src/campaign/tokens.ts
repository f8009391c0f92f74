/** Tokens of schedules: made from what was chosen, and turned back into a command line. */
import { check16 } from '../explore/bytes.ts';
import { STRATEGIES, strategyText, type ChosenStrategy } from '../explore/strategies/index.ts';
import { formatToken, parseToken, TokenError, type Token } from '../explore/token.ts';
import type { Machine } from '../scenario/build.ts';

/** Tells two machines apart: everything that a run depends on but the engine's code. */
export const machineCheck = ({ config, actors, populate, dims }: Machine): number =>
  check16(JSON.stringify({ config, actors, populate, dims }));

export interface TokenParts {
  readonly machine: Machine;
  readonly variants: readonly string[];
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly chosen: ChosenStrategy;
  readonly seed: string;
  readonly schedule: number;
  readonly steps: number;
  readonly hash: string;
}

/** The token, or undefined where a scenario or a variant is a file: a token names only what is shipped. */
export function tokenOf(parts: TokenParts): string | undefined {
  const names = [parts.machine.scenario, ...parts.variants];
  if (names.some((name) => !/^[a-z0-9][a-z0-9.-]*$/.test(name))) return undefined;
  return formatToken({
    scenario: parts.machine.scenario,
    variants: parts.variants,
    parameters: Object.fromEntries(Object.entries(parts.given).map(([name, value]) => [name, String(value)])),
    strategy: STRATEGIES.indexOf(parts.chosen.strategy),
    option: parts.chosen.option,
    seed: parts.seed,
    schedule: parts.schedule,
    steps: parts.steps,
    hash: parts.hash,
    machine: machineCheck(parts.machine),
  });
}

/** True if a word of the command line can only be meant as a token. */
export const looksLikeToken = (text: string | undefined): text is string =>
  text !== undefined && /^S\d+\./.test(text);

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * The arguments that say what a token says; `--expect` carries what the run must come to.
 * @throws TokenError
 */
export function argumentsOf(text: string): string[] {
  const token: Token = parseToken(text);
  const strategy = STRATEGIES[token.strategy];
  if (strategy === undefined)
    throw new TokenError(`token: it names strategy ${token.strategy}, which this version does not have`);
  return [
    token.scenario,
    ...Object.entries(token.parameters).map(([name, value]) => `--${kebab(name)}=${value}`),
    `--variant=${token.variants.join('+')}`,
    `--seed=${token.seed}`,
    `--strategy=${strategyText({ strategy, option: token.option })}`,
    `--schedule=${token.schedule}`,
    `--expect=${token.steps}:${token.hash}:${token.machine}`,
  ];
}

/** What a token expects of its run. */
export interface Expectation {
  readonly steps: number;
  readonly hash: string;
  readonly machine: number;
}

export function parseExpectation(text: string): Expectation | undefined {
  const match = /^(\d+):([0-9a-f]{8}):(\d+)$/.exec(text);
  if (match === null) return undefined;
  return { steps: Number(match[1]), hash: match[2]!, machine: Number(match[3]) };
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
