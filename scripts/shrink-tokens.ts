/**
 * What shrinking makes of failures: `node --import tsx scripts/shrink-tokens.ts TOKEN...` prints a row of figures for each.
 * Processor time is that of the process, without the certificate.
 */
import { totalmem } from 'node:os';
import { shrinkFailure } from '../src/campaign/shrink-failure.ts';
import { runOfToken } from '../src/campaign/token-run.ts';
import { tokenOf } from '../src/campaign/tokens.ts';

for (const text of process.argv.slice(2)) {
  const { spec, scenario, variants, given } = await runOfToken(text, totalmem() / 2);
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
    `${scenario.name} ${variants.join('+')}: ${shrunk.before.preemptions} in ${shrunk.before.steps} steps to ` +
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
