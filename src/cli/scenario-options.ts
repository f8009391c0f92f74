/** Options that every command with a scenario has, and the scenario's parameters as options. */
import type { Argv, Options } from 'yargs';
import yargs from 'yargs';
import { totalmem } from 'node:os';
import type { Layout } from '../arena/layout.ts';
import { INVARIANTS } from '../check/all.ts';
import { refuseSenseless } from '../campaign/refusals.ts';
import { splitVariants, loadEngine } from '../campaign/variants.ts';
import type { Engine } from '../mmu/engine.ts';
import {
  buildMachine,
  layoutThatFits,
  scenarioParameters,
  type Machine,
  type Purpose,
} from '../scenario/build.ts';
import type { Scenario } from '../scenario/define.ts';
import { isPath, loadScenario } from '../scenario/load.ts';
import { describeAllowed, formatSize, ParameterError, type Parameter } from '../scenario/parameters.ts';
import { tryFile } from '../scenario/trial.ts';
import { textOption, UsageError } from './usage.ts';

export const DEFAULT_SCENARIO = 'nested-migration';
/** Loading and building a user's file must end within this. */
const LOAD_LIMIT_MS = 15_000;
/** Part of the machine's memory that an arena may take. */
const MEMORY_SHARE = 0.75;

/** `writeFraction` as the command line has it: `write-fraction`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const defaultText = (parameter: Parameter): string =>
  parameter.type === 'size' ? formatSize(parameter.default) : String(parameter.default);

/** The scenario named on the command line, before the options are parsed: its parameters become options. */
export async function scenarioFromArgs(args: readonly string[], purpose: Purpose): Promise<Scenario> {
  const parsed = await yargs([...args])
    .help(false)
    .version(false)
    .exitProcess(false)
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .boolean([
      'nx',
      'eager',
      'l1-ad-bits',
      'quiet',
      'twice',
      'trace',
      'help',
      'version',
      'smep',
      'keep-going',
      'dpor',
    ])
    .string(['seed', 'json', 'variant', 'duration', 'without', 'strategy', 'workers', 'stop-when-covered'])
    .parseAsync();
  const name = parsed._[1];
  const chosen = name === undefined ? DEFAULT_SCENARIO : String(name);
  if (isPath(chosen))
    await tryFile({ kind: 'scenario', path: chosen, purpose, parameters: {} }, LOAD_LIMIT_MS);
  return loadScenario(chosen);
}

/** Declares the positional and an option for each parameter. Values are strings here; they are checked by the scenario. */
export function withScenario<T>(argv: Argv<T>, scenario: Scenario, purpose: Purpose): Argv<T> {
  argv.positional('scenario', {
    type: 'string',
    default: DEFAULT_SCENARIO,
    describe: 'a shipped scenario (see list) or the path of a file',
  });
  for (const [name, parameter] of Object.entries(scenarioParameters(scenario, purpose))) {
    const common: Options = {
      defaultDescription: defaultText(parameter),
      group: `Parameters of ${scenario.name}:`,
    };
    const option: Options =
      parameter.type === 'boolean'
        ? { ...common, type: 'boolean', describe: parameter.describe }
        : {
            ...common,
            type: 'string',
            requiresArg: true,
            describe: `${parameter.describe} (${describeAllowed(parameter)})`,
          };
    argv.option(kebab(name), option);
  }
  argv.option('variant', {
    type: 'string',
    default: 'p1',
    requiresArg: true,
    group: 'Engine:',
    describe: 'engine: names or paths, joined with + (see list)',
  });
  argv.option('seed', {
    type: 'string',
    requiresArg: true,
    defaultDescription: 'drawn, and printed',
    describe: 'seed of everything that is drawn',
    group: 'Run:',
  });
  argv.option('json', {
    type: 'string',
    requiresArg: true,
    describe: 'write the outcome as JSON to a file, - for standard output',
    group: 'Run:',
  });
  argv.option('without', {
    type: 'string',
    requiresArg: true,
    group: 'Run:',
    describe:
      'checks whose findings are ignored, e.g. D24,Q49 (a variant that flushes elsewhere breaks D24 on purpose)',
  });
  argv.option('quiet', {
    type: 'boolean',
    default: false,
    describe: 'no report, no progress',
    group: 'Run:',
  });
  return argv;
}

export interface Chosen {
  readonly scenario: Scenario;
  /** How the user named it, for a command that reproduces. */
  readonly scenarioName: string;
  /** Path of the scenario if it is a user's own. */
  readonly scenarioFile: string | undefined;
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly variants: readonly string[];
  readonly seed: string;
  /** Ids of checks whose findings do not count. */
  readonly without: ReadonlySet<string>;
  /** Parameters the user gave, as text. */
  readonly given: Readonly<Record<string, string | boolean>>;
}

/** The parameter errors of the library name parameters; a user knows them as options. */
export function asOptions<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof ParameterError)
      throw new UsageError(error.message.replace(/^\w+/, (name) => `--${kebab(name)}`));
    throw error;
  }
}

/** Builds what was asked for. @throws errors that isUserError knows */
export async function choose(
  args: Readonly<Record<string, unknown>>,
  scenario: Scenario,
  purpose: Purpose,
  drawSeed: () => string,
): Promise<Chosen> {
  const scenarioName = String(args['scenario']);
  const given: Record<string, string | boolean> = {};
  for (const name of Object.keys(scenarioParameters(scenario, purpose))) {
    const value = args[name];
    if (typeof value === 'string' || typeof value === 'boolean') given[name] = value;
  }
  const variants = splitVariants(String(args['variant']));
  for (const variant of variants) {
    if (isPath(variant))
      await tryFile({ kind: 'variant', path: variant, purpose, parameters: {} }, LOAD_LIMIT_MS);
  }
  const own = isPath(scenarioName);
  if (own && Object.keys(given).length > 0) {
    await tryFile({ kind: 'scenario', path: scenarioName, purpose, parameters: given }, LOAD_LIMIT_MS);
  }
  const machine = asOptions(() => buildMachine(scenario, purpose, given));
  for (const actor of machine.actors) {
    if (actor.kind === 'custom' && scenario.actors?.[actor.name] === undefined) {
      throw new UsageError(
        `scenario ${scenario.name}: its machine has an actor ${actor.name}, which is not among the module's actors`,
      );
    }
  }
  const engine = await loadEngine(variants);
  asOptions(() => refuseSenseless(machine, engine));
  const layout = layoutThatFits(machine, totalmem() * MEMORY_SHARE);
  const seed = textOption(args, 'seed') ?? drawSeed();
  if (seed === '' || seed.length > 64 || /\s/.test(seed)) {
    throw new UsageError(
      `--seed: ${JSON.stringify(seed)} given, allowed are 1 to 64 characters without spaces`,
    );
  }
  return {
    scenario,
    scenarioName,
    scenarioFile: own ? scenarioName : undefined,
    machine,
    layout,
    engine,
    variants,
    seed,
    given,
    without: parseIds(textOption(args, 'without') ?? ''),
  };
}

/** @throws UsageError for an id that no check has */
function parseIds(given: string): ReadonlySet<string> {
  const ids = given
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');
  for (const id of ids) {
    if (!INVARIANTS.some((invariant) => invariant.id === id)) {
      throw new UsageError(`--without: there is no check ${id}; see npx splitstorm list checks`);
    }
  }
  return new Set(ids);
}

/** The command line that does the same again. */
export function reproduceCommand(
  command: string,
  chosen: Pick<Chosen, 'scenarioName' | 'given' | 'variants' | 'without' | 'seed'>,
  extra: readonly string[],
): string {
  const parameters = Object.entries(chosen.given).map(([name, value]) =>
    typeof value === 'boolean' ? `--${value ? '' : 'no-'}${kebab(name)}` : `--${kebab(name)} ${value}`,
  );
  const variant = chosen.variants.join('+');
  return [
    'npx splitstorm',
    command,
    chosen.scenarioName,
    ...parameters,
    ...(variant === 'p1' ? [] : [`--variant ${variant}`]),
    ...(chosen.without.size === 0 ? [] : [`--without ${[...chosen.without].join(',')}`]),
    `--seed ${chosen.seed}`,
    ...extra,
  ].join(' ');
}
