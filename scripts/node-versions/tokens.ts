/**
 * The part of scripts/node-versions.ts that runs on the version under test.
 *
 *     node --import tsx scripts/node-versions/tokens.ts make SEED   prints tokens, one a line
 *     node --import tsx scripts/node-versions/tokens.ts replay      reads tokens, prints for each: token, steps, hash, what broke
 */
import { text } from 'node:stream/consumers';
import { runtimeOf, schedulerOf, type RunSpec } from '../../src/campaign/run-spec.ts';
import { runOfToken } from '../../src/campaign/token-run.ts';
import { tokenOf } from '../../src/campaign/tokens.ts';
import { masterSeed } from '../../src/cpu/random.ts';
import { PROFILE_RUNS } from '../../src/explore/profile.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { parseToken } from '../../src/explore/token.ts';
import { buildMachine, layoutThatFits } from '../../src/scenario/build.ts';
import { loadScenario, shippedScenarios } from '../../src/scenario/load.ts';
import { engineOf, findVariant, VARIANTS } from '../../src/variants/index.ts';

/** Most bytes of an arena. */
const LIMIT = 2 ** 32;
/** Strategies under which every actor gets on: an unfair one may keep a scenario from its end. */
const STRATEGIES = ['surw', 'urw', 'pos', 'fair-pct', 'random-walk', 'sticky'];

async function specOf(
  scenarioName: string,
  variants: readonly string[],
  parameters: Readonly<Record<string, unknown>>,
  run: Pick<RunSpec, 'seed' | 'schedule' | 'plan'>,
): Promise<RunSpec> {
  const scenario = await loadScenario(scenarioName);
  const machine = buildMachine(scenario, 'explore', parameters);
  return {
    ...run,
    machine,
    layout: layoutThatFits(machine, LIMIT),
    engine: engineOf(variants.map((name) => findVariant(name)!)),
    custom: scenario.actors,
    without: new Set(),
    idle: new Set(),
  };
}

function runOf(spec: RunSpec): { readonly steps: number; readonly hash: string; readonly found: string } {
  const runtime = runtimeOf(spec);
  const result = runtime.run(schedulerOf(runtime, spec), masterSeed(spec.seed), spec.schedule);
  return { steps: result.steps, hash: result.hash, found: result.violations[0]?.id ?? 'nothing' };
}

async function make(seed: string): Promise<string[]> {
  const subjects = [
    ...shippedScenarios().map((scenario) => ({ scenario, variant: 'p1', given: {} })),
    ...VARIANTS.filter(({ kind }) => kind === 'bug').map((variant) => ({
      scenario: variant.scenario ?? 'nested-migration',
      variant: variant.name,
      given: variant.parameters ?? {},
    })),
  ];
  const tokens: string[] = [];
  for (const [index, { scenario, variant, given }] of subjects.entries()) {
    for (const strategy of STRATEGIES) {
      const schedule = PROFILE_RUNS + index;
      const plan = { strategy: parseStrategy(strategy) };
      const spec = await specOf(scenario, [variant], given, { seed, schedule, plan });
      const token = tokenOf({
        ...spec,
        ...runOf(spec),
        scenarioFile: undefined,
        variants: [variant],
        given: Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)])),
      });
      if (token === undefined) throw new Error(`no token for ${scenario} with ${variant} under ${strategy}`);
      tokens.push(token);
    }
  }
  return tokens;
}

async function replay(tokens: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  for (const given of tokens) {
    const token = parseToken(given);
    const { spec } = await runOfToken(given, LIMIT);
    const { steps, hash, found } = runOf(spec);
    lines.push([given, steps, hash, found, steps === token.steps && hash === token.hash].join('\t'));
  }
  return lines;
}

const [mode, seed] = process.argv.slice(2);
const lines =
  mode === 'make' ? await make(seed ?? '1') : await replay((await text(process.stdin)).trim().split('\n'));
process.stdout.write(`${lines.join('\n')}\n`);
