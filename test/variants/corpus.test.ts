import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import type { Engine } from '../../src/mmu/engine.ts';
import { corpusDocument, corpusLines, corpusSummary } from '../../src/report/corpus.ts';
import { CORPUS, SWITCHES } from '../../src/variants/bugs/table.ts';
import { engineOf, findVariant, VARIANTS } from '../../src/variants/index.ts';

describe('the table of the corpus', () => {
  it('has each of B-01 to B-61 exactly once, in order', () => {
    const ids = Array.from({ length: 61 }, (_, i) => `B-${String(i + 1).padStart(2, '0')}`);
    expect(CORPUS.map(({ id }) => id)).toEqual(ids);
  });

  it('has each switch once, and a variant for all of them', () => {
    expect(new Set(SWITCHES.map(({ id }) => id)).size).toBe(29);
    expect(SWITCHES.filter(({ variants }) => variants.length === 0)).toEqual([]);
  });

  it('names bugs that exist, each of which overrides at least one step, or a reason', () => {
    for (const { id, variants, leftOut } of [...CORPUS, ...SWITCHES]) {
      expect([id, variants.length > 0]).toEqual([id, leftOut === '']);
      for (const name of variants) {
        const variant = findVariant(name);
        expect([name, variant?.kind]).toEqual([name, 'bug']);
        const made = engineOf([variant!]);
        const steps = (Object.keys(P1_ENGINE) as (keyof Engine)[]).filter(
          (key) => made[key] !== P1_ENGINE[key],
        );
        expect([name, steps.filter((key) => key !== 'name' && key !== 'summary').length > 0]).toEqual([
          name,
          true,
        ]);
      }
    }
  });

  it('knows every variant that calls itself by an id of kernel-facts 7', () => {
    const named = new Set(CORPUS.flatMap(({ variants }) => variants));
    const missing = VARIANTS.filter(({ name, bug }) => bug?.id.startsWith('B-') === true && !named.has(name));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('has at least 45 of the 61, and says so', () => {
    expect(CORPUS.filter(({ variants }) => variants.length > 0).length).toBeGreaterThanOrEqual(45);
    expect(corpusSummary()).toMatch(/^45 of 61 bugs \(B-01 to B-61\) are variants, and 29 of 29 switches$/);
  });

  it('is docs/corpus.md as generated, and fits a narrow terminal', () => {
    const file = new URL('../../docs/corpus.md', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(corpusDocument());
    expect(Math.max(...corpusLines(60).map((line) => line.length))).toBeLessThanOrEqual(60);
  });
});
