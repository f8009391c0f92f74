import { describe, expect, it } from 'vitest';
import { typescriptFiles } from './files.ts';
import { DETERMINISTIC_LAYERS, determinismFindings } from './rules.ts';

describe('determinism of the model', () => {
  it('reads no clock, sets no timer and draws no unseeded number', () => {
    const files = typescriptFiles(...DETERMINISTIC_LAYERS.map((layer) => `src/${layer}`));
    expect(determinismFindings(files)).toEqual([]);
  });

  it.each([
    ['const t = Date.now();'],
    ['const t = new Date();'],
    ['const r = Math.random();'],
    ['const r = Math?.random();'],
    ["const r = Math['random']();"],
    ['const { random } = Math;'],
    ['const t = globalThis.performance.now();'],
    ['setTimeout(() => {}, 1);'],
    ['const t = process.hrtime.bigint();'],
    ['const text = `at ${Date.now()}`;'],
    ["import { setImmediate as soon } from 'node:timers';"],
    ["import { performance as p } from 'node:perf_hooks';"],
  ])('finds %s', (text) => {
    for (const layer of DETERMINISTIC_LAYERS) {
      expect(determinismFindings([{ path: `src/${layer}/a.ts`, text }])).toHaveLength(1);
    }
    expect(determinismFindings([{ path: 'src/runtime/a.ts', text }])).toEqual([]);
  });

  it('accepts comments, messages and harmless members', () => {
    const text =
      "// Date.now\n/* Math.random */\nthrow new Error('no setTimeout here');\nMath.imul(1, 2);\n" +
      'const { a } = process.env;\nconst day = new Date(0);';
    expect(determinismFindings([{ path: 'src/mmu/a.ts', text }])).toEqual([]);
  });
});
