/** What replay, shrink and explain have in common: one run, given as a token, a schedule file, or scenario, seed and number. */
import type { Argv } from 'yargs';
import { actorIdentity } from '../actors/context.ts';
import { mayStayAway } from '../actors/idle.ts';
import type { RunPlan, RunSpec } from '../campaign/run-spec.ts';
import type { Kept } from '../explore/runner.ts';
import { strategyText } from '../explore/strategies/index.ts';
import type { Scenario } from '../scenario/define.ts';
import { parseCount } from './duration.ts';
import { choose, withScenario, type Chosen } from './scenario-options.ts';
import { DEFAULT_STRATEGY, loadSingle, STRATEGY_OPTION } from './strategy-option.ts';
import type { Target } from './target.ts';
import { textOption, UsageError } from './usage.ts';

/** Declares the options that say which run. Those that a token has have no default, so that giving both is noticed. */
export function withRun<T>(argv: Argv<T>, scenario: Scenario): Argv<T> {
  const { default: _, ...strategy } = STRATEGY_OPTION.strategy;
  return withScenario(argv, scenario, 'explore')
    .option('schedule', {
      type: 'string',
      requiresArg: true,
      defaultDescription: '0',
      group: 'Run:',
      describe: 'number of the schedule',
    })
    .options({ strategy: { ...strategy, defaultDescription: DEFAULT_STRATEGY } })
    .option('idle', {
      type: 'string',
      requiresArg: true,
      group: 'Run:',
      describe: 'numbers of actors that stay away, e.g. 2,3',
    }) as Argv<T>;
}

/** What was chosen, and the run. */
export interface ChosenRun extends Chosen {
  readonly spec: RunSpec;
}

/** The run that the command line names. @throws errors that isUserError knows */
export async function chooseRun(
  argv: Readonly<Record<string, unknown>>,
  scenario: Scenario,
  target: Target | undefined,
): Promise<ChosenRun> {
  if (argv['seed'] === undefined)
    throw new UsageError('--seed: needed to find the run again; a token or a schedule file has it');
  for (const name of target === undefined ? [] : ['schedule', 'strategy']) {
    if (argv[name] !== undefined)
      throw new UsageError(
        `--${name}: ${target!.file === undefined ? 'a token' : 'a schedule file'} has its own`,
      );
  }
  const chosen = await choose(argv, scenario, 'explore', () => '');
  const schedule =
    target?.schedule ?? parseCount(textOption(argv, 'schedule') ?? '0', 'schedule', 0, 2 ** 31 - 1);
  const idle = textOption(argv, 'idle');
  const strategyGiven = textOption(argv, 'strategy') ?? DEFAULT_STRATEGY;
  const plan: RunPlan = target?.plan ?? {
    strategy: await loadSingle(strategyGiven),
    text: strategyGiven,
  };
  const { machine, layout, engine, without, seed } = chosen;
  const spec: RunSpec = {
    machine,
    layout,
    engine,
    without,
    seed,
    custom: chosen.scenario.actors,
    idle: parseIdle(idle === undefined ? (target?.idle ?? []).map(String) : idle.split(','), chosen),
    ...(target?.kept === undefined ? {} : { kept: knownActors(target.kept, chosen) }),
    schedule,
    plan,
  };
  return { ...chosen, spec };
}

/** @throws UsageError for an actor that the machine does not have */
function knownActors(kept: Kept, { machine }: Chosen): Kept {
  for (const actor of kept.keys()) {
    if (actor >= machine.actors.length)
      throw new UsageError(`moves: there is no actor ${actor}, the last is ${machine.actors.length - 1}`);
  }
  return kept;
}

/** @throws UsageError for an actor that the machine does not have, or if nobody would be left */
function parseIdle(numbers: readonly string[], { machine }: Chosen): ReadonlySet<number> {
  const last = machine.actors.length - 1;
  const idle = new Set(numbers.map((text) => parseCount(text.trim(), 'idle', 0, last)));
  for (const actor of idle) {
    const spec = machine.actors[actor]!;
    if (!mayStayAway(spec))
      throw new UsageError(
        `--idle: actor ${actor}, ${actorIdentity(spec).name}, cannot stay away: the others wait for it`,
      );
  }
  if (idle.size > last) throw new UsageError('--idle: somebody must act');
  return idle;
}

/** `surw`, `pct:5`, or what overrides are called. */
export const planText = (plan: RunPlan): string =>
  'overrides' in plan ? 'overrides' : (plan.text ?? strategyText(plan.strategy));

/** Options that name the run again where no token can. */
export function runArguments({ plan, schedule, idle }: RunSpec): string[] {
  const named = planText(plan) === DEFAULT_STRATEGY ? [] : [`--strategy ${planText(plan)}`];
  return [
    ...named,
    ...(idle.size === 0 ? [] : [`--idle ${[...idle].sort((a, b) => a - b).join(',')}`]),
    `--schedule ${schedule}`,
  ];
}
