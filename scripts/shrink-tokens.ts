/**
 * What shrinking makes of failures: `node --import tsx scripts/shrink-tokens.ts TOKEN...` prints a row of figures for each.
 * Processor time is that of the process, without the certificate.
 */
import { totalmem } from 'node:os';
import { planOf, variantsOf } from '../src/campaign/tokens.ts';
import { tokenOf } from '../src/campaign/tokens.ts';
import { shrinkFailure } from '../src/campaign/shrink-failure.ts';
import { loadEngine } from '../src/campaign/variants.ts';
import { parseToken } from '../src/explore/token.ts';
import { buildMachine, layoutThatFits } from '../src/scenario/build.ts';
import { loadScenario } from '../src/scenario/load.ts';

for (const text of process.argv.slice(2)) {
  const token = parseToken(text);
  const scenario = await loadScenario(token.scenario);
  const variants = variantsOf(token);
  const given = token.parameters;
  const machine = buildMachine(scenario, 'explore', given);
  const spec = {
    machine,
    layout: layoutThatFits(machine, totalmem() / 2),
    engine: await loadEngine(variants),
    custom: scenario.actors,
    without: new Set(token.without),
    idle: new Set(token.idle),
    seed: token.seed,
    schedule: token.schedule,
    plan: planOf(token),
    ...('kept' in token.plan && token.plan.kept !== undefined ? { kept: token.plan.kept } : {}),
  };
  const before = process.cpuUsage();
  const shrunk = shrinkFailure({
    spec,
    scenario,
    given,
    maxReplays: 200,
    maxCertificate: 0,
    keepWorkload: false,
  });
  const { user, system } = process.cpuUsage(before);
  const overrides = 'overrides' in shrunk.spec.plan ? shrunk.spec.plan.overrides.length : 0;
  console.log(
    `${token.scenario} ${variants.join('+')}: ${shrunk.before.preemptions} in ${shrunk.before.steps} steps to ` +
      `${shrunk.result.preemptions} in ${shrunk.result.steps}, ${overrides} overrides; ${shrunk.replays} replays, ${shrunk.fresh} afresh, ` +
      `${((user + system) / 1e6).toFixed(2)} s; ${shrunk.result.violations[0]?.id}`,
  );
  const to = tokenOf({
    ...shrunk.spec,
    ...shrunk.result,
    scenarioFile: undefined,
    variants,
    given: shrunk.given,
  });

  console.log(`  ${to ?? 'no token'} ${JSON.stringify(shrunk.given)} idle ${[...shrunk.spec.idle].join()}`);
}
