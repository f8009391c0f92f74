/** What an experiment's setting stands for: scenario, machine, engine, and how a user says it on a command line. */
import type { Layout } from '../../arena/layout.ts';
import type { Engine } from '../../mmu/engine.ts';
import { buildMachine, layoutThatFits, type Machine } from '../../scenario/build.ts';
import type { Scenario } from '../../scenario/define.ts';
import { isPath, loadScenario } from '../../scenario/load.ts';
import type { Variant } from '../../variants/define.ts';
import { engineOf } from '../../variants/index.ts';
import { loadVariant, splitVariants } from '../variants.ts';
import type { Given, Setting } from './define.ts';

/** Most bytes of an arena. */
const LIMIT = 2 ** 32;

/** What every setting of an experiment gets on top, for its control or because the user wants it. */
export interface Injection {
  /** Names or paths joined with `+`, or a variant itself. */
  readonly variant?: string | Variant | undefined;
  readonly parameters?: Given | undefined;
}

export interface Subject {
  readonly scenario: Scenario;
  readonly scenarioFile: string | undefined;
  readonly machine: Machine;
  readonly layout: Layout;
  readonly engine: Engine;
  readonly variants: readonly string[];
  /** Parameters as the command line has them. */
  readonly given: Readonly<Record<string, string | boolean>>;
  readonly without: ReadonlySet<string>;
  /** All of it can be said on a command line, so that a token can name it. */
  readonly shipped: boolean;
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** @throws ScenarioError, ParameterError for what does not exist */
export async function subjectOf(setting: Setting, injections: readonly Injection[]): Promise<Subject> {
  const scenario = await loadScenario(setting.scenario);
  const given: Record<string, string | boolean> = {};
  for (const source of [setting.parameters, ...injections.map(({ parameters }) => parameters)]) {
    for (const [name, value] of Object.entries(source ?? {}))
      given[name] = typeof value === 'boolean' ? value : String(value);
  }
  const own = typeof setting.variant === 'string' ? [setting.variant] : (setting.variant ?? []);
  const listed = [...own, ...injections.flatMap(({ variant }) => (variant === undefined ? [] : [variant]))];
  const parts = listed.flatMap((part): (string | Variant)[] =>
    typeof part === 'string' ? splitVariants(part) : [part],
  );
  const variants: Variant[] = [];
  for (const part of parts) variants.push(typeof part === 'string' ? await loadVariant(part) : part);
  const machine = buildMachine(scenario, 'explore', given);
  return {
    scenario,
    scenarioFile: isPath(setting.scenario) ? setting.scenario : undefined,
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: engineOf(variants),
    variants:
      parts.length === 0 ? ['p1'] : parts.map((part) => (typeof part === 'string' ? part : part.name)),
    given,
    without: new Set(setting.without ?? []),
    shipped: parts.every((part) => typeof part === 'string') && setting.checks === undefined,
  };
}

/** The command line for it, without what is particular to one command. */
export function commandOf(
  command: string,
  setting: Setting,
  subject: Subject,
  seed: string,
  extra: string,
): string {
  const parameters = Object.entries(subject.given).map(([name, value]) =>
    typeof value === 'boolean' ? `--${value ? '' : 'no-'}${kebab(name)}` : `--${kebab(name)} ${value}`,
  );
  const variant = subject.variants.join('+');
  return [
    `splitstorm ${command}`,
    setting.scenario,
    ...parameters,
    ...(variant === 'p1' ? [] : [`--variant ${variant}`]),
    ...(subject.without.size === 0 ? [] : [`--without ${[...subject.without].join(',')}`]),
    `--seed ${seed}`,
    extra,
  ].join(' ');
}
