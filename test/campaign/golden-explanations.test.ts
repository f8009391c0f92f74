// Explanations of historical bugs: what each has to say is in test/support/golden-runs.ts, their text in test/fixtures/explanations.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderExplanation } from '../../src/report/explanation.ts';
import { explained } from '../support/explained.ts';
import { GOLDEN, misses } from '../support/golden-runs.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/explanations/${name}`, import.meta.url));
const TOKENS = JSON.parse(readFileSync(fixture('tokens.json'), 'utf8')) as Record<string, string>;

describe.each(GOLDEN)('the explanation of $bug', (golden) => {
  it(`says what its fix says, in at most 40 lines: ${golden.check} by ${golden.by}`, async () => {
    const explanation = await explained(TOKENS[golden.bug]!);
    expect(misses(golden, explanation)).toEqual([]);
    const lines = renderExplanation(explanation, { width: 80, color: false });
    expect(lines.length).toBeLessThanOrEqual(40);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(fixture(`${golden.bug}.txt`));
  });
});
