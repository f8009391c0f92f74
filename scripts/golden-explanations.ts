/**
 * Finds short failing runs whose explanations say what they have to (test/support/golden-runs.ts), for those whose stored run no longer
 * does after a change of the engine or of a scenario, and stores their tokens in test/fixtures/explanations:
 *
 *     node --import tsx scripts/golden-explanations.ts            # all that no longer say it
 *     node --import tsx scripts/golden-explanations.ts b-50 ...   # these, whatever they say
 *     npx vitest run test/campaign/golden-explanations.test.ts -u # then the texts: look at each
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { findBugs, quarryOf } from '../src/campaign/bugs/corpus.ts';
import { hunt } from '../src/campaign/bugs/hunt.ts';
import { trialSeed } from '../src/campaign/bugs/plan.ts';
import { explained } from '../test/support/explained.ts';
import { GOLDEN, misses, type Golden } from '../test/support/golden-runs.ts';

const SEEDS = 60;
/** A run without preemptions ends the search; any other only after so many seeds with one that fits. */
const FITTING = 4;
const SCHEDULES = 2000;
const REPLAYS = 400;
const LIMIT_MS = 60_000;

const file = new URL('../test/fixtures/explanations/tokens.json', import.meta.url);
const tokens = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;

/** Why the run of a token is not as wanted; undefined if it is. */
async function unfit(golden: Golden, token: string | undefined): Promise<string | undefined> {
  if (token === undefined) return 'there is no token';
  try {
    return misses(golden, await explained(token))[0];
  } catch (error) {
    return (error as Error).message;
  }
}

/** The token of a fitting run with few preemptions, and their number. */
async function find(golden: Golden): Promise<readonly [token: string, preemptions: number] | undefined> {
  const [bug] = findBugs(golden.bug);
  if (bug === undefined) throw new Error(`there is no bug ${golden.bug}`);
  const quarry = quarryOf(bug);
  let best: readonly [token: string, preemptions: number] | undefined;
  let fitting = 0;
  for (let trial = 0; trial < SEEDS && fitting < FITTING; trial++) {
    const { caught } = await hunt({
      variants: [bug.name],
      scenario: quarry.scenario,
      parameters: quarry.parameters,
      strategy: 'portfolio',
      seed: trialSeed('golden', trial),
      schedules: SCHEDULES,
      limitMs: LIMIT_MS,
      without: quarry.without,
      replays: REPLAYS,
    });
    if (caught?.check !== golden.check || caught.token === undefined) continue;
    if ((await unfit(golden, caught.token)) !== undefined) continue;
    fitting++;
    const preemptions = caught.shrunkTo ?? caught.preemptions;
    if (best === undefined || preemptions < best[1]) best = [caught.token, preemptions];
    if (preemptions === 0) break;
  }
  return best;
}

const named = process.argv.slice(2);
for (const golden of GOLDEN) {
  const why = await unfit(golden, tokens[golden.bug]);
  if (named.length === 0 ? why === undefined : !named.includes(golden.bug)) continue;
  process.stdout.write(`${golden.bug}: ${why ?? 'fits'}\n`);
  const found = await find(golden);
  if (found === undefined) {
    process.exitCode = 1;
    process.stdout.write('  no run was found that does\n');
    continue;
  }
  tokens[golden.bug] = found[0];
  process.stdout.write(`  ${found[0]}, ${found[1]} preemptions\n`);
}
writeFileSync(file, `${JSON.stringify(tokens, undefined, 2)}\n`);
