/**
 * Looks for short failing runs of bugs of the corpus, shrinks them, and prints their tokens with their explanations: the material of
 * test/campaign/golden-explanations.test.ts, to be made anew when a change of the engine or of a scenario has made other
 * runs of its tokens.
 *
 *     node --import tsx scripts/golden-explanations.ts B-50 B-24 ...
 */
import { findBugs, quarryOf } from '../src/campaign/bugs/corpus.ts';
import { hunt, type Hunt } from '../src/campaign/bugs/hunt.ts';
import { trialSeed } from '../src/campaign/bugs/plan.ts';
import { renderExplanation } from '../src/report/explanation.ts';
import { explained } from '../test/support/explained.ts';

const SEEDS = 3;
const SCHEDULES = 2000;
const REPLAYS = 400;
const LIMIT_MS = 60_000;

for (const name of process.argv.slice(2)) {
  const [bug] = findBugs(name);
  if (bug === undefined) throw new Error(`there is no bug ${name}`);
  const quarry = quarryOf(bug);
  let best: NonNullable<Hunt['caught']> | undefined;
  for (let trial = 0; trial < SEEDS; trial++) {
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
    if (caught?.token === undefined || !quarry.accepted.includes(caught.check)) continue;
    if (best === undefined || (caught.shrunkTo ?? Infinity) < (best.shrunkTo ?? Infinity)) best = caught;
    if (best.shrunkTo === 0) break;
  }
  const head = `${bug.name}: ${best === undefined ? 'not found' : `${best.check}, ${best.shrunkTo} preemptions`}`;
  process.stdout.write(`\n######## ${head}\n${best?.token ?? ''}\n`);
  if (best?.token === undefined) continue;
  const lines = renderExplanation(await explained(best.token), { width: 80, color: false });
  process.stdout.write(`${lines.join('\n')}\n`);
}
