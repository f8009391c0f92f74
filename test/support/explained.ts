/** A failing run by its token, explained as `explain` does it, without shrinking. */
import { explainFailure } from '../../src/campaign/explain-failure.ts';
import { runOfToken } from '../../src/campaign/token-run.ts';
import type { Explanation } from '../../src/report/explanation.ts';
import { LIMIT } from './machines.ts';

export async function explained(text: string, maxSwaps = 200): Promise<Explanation> {
  return explainFailure({
    ...(await runOfToken(text, LIMIT)),
    shrunk: '',
    commands: () => [['replay', 'npx splitstorm replay TOKEN']],
    maxSwaps,
  });
}
