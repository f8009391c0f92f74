import { describe, expect, it } from 'vitest';
import { typescriptFiles } from './files.ts';
import { importsOf, LAYERS, layerFindings, lengthFindings, MAX_LINES, stripTypeScript } from './rules.ts';

describe('layers', () => {
  it('imports point only to the same or an earlier layer', () => {
    expect(layerFindings(typescriptFiles('src'))).toEqual([]);
  });

  it('names each layer once', () => {
    expect(new Set(LAYERS).size).toBe(LAYERS.length);
  });

  it.each([
    ["import { run } from '../cli/main.ts';"],
    ["import type { Run } from '../runtime/pool.ts';"],
    ["import {\n  one,\n  two,\n} from '../locks/rwlock.ts';"],
    ["export * from '../mmu/tdp.ts';"],
    ["import '../measure/rows.ts';"],
    ["const late = await import('../report/table.ts');"],
    ["let row: import('../measure/rows.ts').Row;"],
    ["import { all } from '../index.ts';"],
    ["import { task } from '../../workers/vcpu.ts';"],
    ["import { odd } from '../nowhere/odd.ts';\nimport { late } from '../check/late.ts';"],
  ])('finds a layer that reaches upward: %s', (text) => {
    expect(layerFindings([{ path: 'src/cpu/clock.ts', text }])).toHaveLength(1);
  });

  it('finds a file outside the list of layers', () => {
    expect(layerFindings([{ path: 'src/extras/a.ts', text: '' }])).toHaveLength(1);
    expect(layerFindings([{ path: 'src/loose.ts', text: '' }])).toHaveLength(1);
  });

  it('accepts earlier and own layers, packages, comments, and everything in index.ts and workers/', () => {
    const inner =
      "import a from '../arena/a.ts';\nimport b from './b.ts';\nimport c from 'zod';\n// from '../cli/x.ts'";
    const outer = "export * from './cli/main.ts';";
    expect(
      layerFindings([
        { path: 'src/cpu/clock.ts', text: inner },
        { path: 'src/index.ts', text: outer },
        { path: 'workers/vcpu.ts', text: "import '../src/cli/main.ts';" },
      ]),
    ).toEqual([]);
  });
});

describe('file length', () => {
  it(`no file in src/ or workers/ has more than ${MAX_LINES} lines`, () => {
    expect(lengthFindings(typescriptFiles('src', 'workers'))).toEqual([]);
  });

  it('finds one line too many and accepts the limit', () => {
    const long = 'x\n'.repeat(MAX_LINES + 1);
    const full = 'x\n'.repeat(MAX_LINES);
    expect(lengthFindings([{ path: 'src/mmu/a.ts', text: long }])).toHaveLength(1);
    expect(lengthFindings([{ path: 'workers/a.ts', text: long }])).toHaveLength(1);
    expect(lengthFindings([{ path: 'src/mmu/a.ts', text: full }])).toEqual([]);
    expect(lengthFindings([{ path: 'test/a.ts', text: long }])).toEqual([]);
  });
});

describe('the scanner below the rules', () => {
  it('blanks comments and keeps strings that look like comments', () => {
    const code = stripTypeScript("a('//x'); // y\n/* z */ b(/[/'\"]/g, 1 / 2 / 3);", { strings: false });
    expect(code).toBe("a('//x');     \n        b(/[/'\"]/g, 1 / 2 / 3);");
  });

  it('keeps the code inside template literals', () => {
    const code = stripTypeScript('`one ${ two({ a: `three ${four}` }) } five` + six', { strings: true });
    expect(code.replaceAll(/\s+/g, ' ')).toBe('` ${ two({ a: ` ${four}` }) } ` + six');
  });

  it('lists every form of import once', () => {
    const text =
      "import a from 'a';\nimport 'b';\nexport { c } from 'c';\nexport const from = await import(`d`);";
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd']);
  });
});
