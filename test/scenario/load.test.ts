import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  closest,
  importDefault,
  isPath,
  loadScenario,
  shippedFile,
  shippedScenarios,
} from '../../src/scenario/load.ts';
import { buildMachine } from '../../src/scenario/build.ts';
import { ScenarioError } from '../../src/scenario/validate.ts';
import { computeLayout } from '../../src/arena/layout.ts';

const SHIPPED = [
  'access-tracking',
  'aging',
  'alias-mixed-access',
  'alias-same-access',
  'both-mmus',
  'descriptor-pressure',
  'dirty-ring',
  'emptied-children',
  'enospc',
  'fault-storm',
  'initially-all-set',
  'kitchen-sink',
  'l1-remap',
  'legacy-shadow',
  'log-cycle',
  'memslot-delete',
  'moved-table',
  'narrow-reuse',
  'nested-migration',
  'notifier-unmap',
  'nx-partial-reuse',
  'nx-recovery',
  'orphaned-root',
  'page-migration',
  'pml',
  'range-flush',
  'reclaim-at-limit',
  'rmap-recycle',
  'root-in-root',
  'shadowed-tables',
  'slot-seam',
  'table-in-page',
  'table-rights',
  'tdp-races',
  'tiny-descriptors',
  'tiny-holes',
  'tiny-notifier',
  'tiny-remap',
  'tiny-split',
  'tiny-unsync',
  'two-roots',
  'unsync-tables',
  'zap-all',
];

describe('the shipped scenarios', () => {
  it('are these, sorted', () => {
    expect(shippedScenarios()).toEqual(SHIPPED);
    expect(shippedFile('enospc')).toMatch(/scenarios[\\/]enospc\.[jt]s$/);
  });

  it.each(SHIPPED)('%s builds for running and for exploring, and says what it is', async (name) => {
    const scenario = await loadScenario(name);
    expect(scenario.name).toBe(name);
    expect([scenario.summary.length > 20, scenario.about.length > 80, scenario.facts.length > 0]).toEqual([
      true,
      true,
      true,
    ]);
    for (const purpose of ['run', 'explore'] as const) {
      const machine = buildMachine(scenario, purpose);
      expect(computeLayout(machine.dims).words * 4).toBeLessThan(purpose === 'run' ? 2 ** 30 : 2 ** 21);
      expect(machine.actors.length).toBeGreaterThan(1);
    }
  });

  it.each(SHIPPED)(
    '%s builds in both formats, with the mitigation, and with every kind of manual protection',
    async (name) => {
      const scenario = await loadScenario(name);
      // PML and a lack of A/D bits are Intel's, and a ring takes the place of the bitmap that manual protection is about.
      for (const format of ['pml', 'access-tracking'].includes(name) ? ['ept'] : ['ept', 'npt']) {
        for (const manual of name === 'dirty-ring' ? ['off'] : ['off', 'manual', 'initially-set']) {
          const machine = buildMachine(scenario, 'explore', { format, manual, nx: true, backing: '2m' });
          expect([machine.config.format, machine.config.nxHugePages]).toEqual([format, true]);
        }
      }
    },
  );

  it('are found by name; a name that is none gets the nearest one and the list', async () => {
    await expect(loadScenario('nested-migratoin')).rejects.toThrow(
      /^there is no scenario nested-migratoin; did you mean nested-migration\?\nshipped: access-tracking, .*zap-all; or give/,
    );
    await expect(loadScenario('qqqqqqqq')).rejects.toThrow(/^there is no scenario qqqqqqqq\nshipped:/);
    await expect(loadScenario('constructor')).rejects.toThrow(ScenarioError);
  });
});

describe('closest', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['enospc', ['enospc', 'other'], 'enospc'],
    ['enosp', ['enospc', 'other'], 'enospc'],
    ['two-rotos', ['nested-migration', 'two-roots'], 'two-roots'],
    ['p3', ['p0', 'p1', 'busted-lock'], 'p0'],
    ['busted', ['never-flush', 'p0'], undefined],
    ['', ['ab', 'abc'], 'ab'],
    ['x', [], undefined],
  ])('to %j among %j is %s', (given, names, expected) => {
    expect(closest(given, names)).toBe(expected);
  });
});

describe('a file of the user', () => {
  let folder = '';
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'splitstorm-load-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const GOOD = "{ name: 'mine', summary: 's', about: '', facts: [], machine: () => ({}) }";

  it.each(['a.ts', 'a.mjs', 'a.mts', './a', 'x\\a', 'dir/a.js'])('is recognised by %s', (name) => {
    expect(isPath(name)).toBe(true);
  });
  it.each(['enospc', 'two-roots', 'ts', 'a.tsx1'])('and not by %s', (name) => {
    expect(isPath(name)).toBe(false);
  });

  it.each(['good.ts', 'good.mts', 'good.mjs'])('is loaded as %s', async (name) => {
    const type = name.endsWith('mjs') ? '' : ': object';
    expect((await loadScenario(file(name, `const s${type} = ${GOOD};\nexport default s;`))).name).toBe(
      'mine',
    );
  });

  it.each<[string, string, string, RegExp]>([
    [
      'that does not compile',
      'syntax.ts',
      'export default {',
      /^scenario: .*syntax\.ts cannot be loaded: .*Error: /,
    ],
    [
      'that does not compile',
      'syntax.mjs',
      'export default {',
      /^scenario: .*syntax\.mjs cannot be loaded: \w*Error: /,
    ],
    [
      'that throws',
      'throws.ts',
      "throw new RangeError('too much');",
      /^scenario: .*throws\.ts cannot be loaded: RangeError: too much$/,
    ],
    ['that throws something else', 'string.mjs', "throw 'just so';", /cannot be loaded: just so$/],
    [
      'that imports what is not there',
      'imports.mjs',
      "import './missing.mjs'; export default 1;",
      /cannot be loaded: .*missing\.mjs/,
    ],
    ['without a default', 'none.mjs', 'export const a = 1;', /^scenario: .*none\.mjs has no default export$/],
    [
      'without a default',
      'none.mts',
      'export const a: number = 1;',
      /^scenario: .*none\.mts has no default export$/,
    ],
    ['whose default is undefined', 'undefined.mjs', 'export default undefined;', /has no default export$/],
  ])('%s (%s) is refused with its path and the reason', async (_what, name, text, message) => {
    const path = file(name, text);
    await expect(importDefault(path, 'scenario')).rejects.toThrow(ScenarioError);
    await expect(importDefault(path, 'scenario')).rejects.toThrow(message);
  });

  it('that is not there is refused', async () => {
    await expect(importDefault(join(folder, 'nowhere.ts'), 'variant')).rejects.toThrow(
      /^variant: there is no file .*nowhere\.ts$/,
    );
  });

  it('that is no scenario is refused with the field', async () => {
    await expect(loadScenario(file('wrong.mjs', "export default { name: 'Bad Name' };"))).rejects.toThrow(
      /^the scenario in .*wrong\.mjs is not valid:\n {2}name: /,
    );
    await expect(loadScenario(file('null.mjs', 'export default null;'))).rejects.toThrow(/is not valid/);
  });

  it('has messages of a few lines, however long the error', async () => {
    const path = file(
      'long.mjs',
      "throw new Error(Array.from({ length: 100 }, (_, i) => 'line ' + i).join('\\n'));",
    );
    const error = await importDefault(path, 'scenario').catch((e: unknown) => e as Error);
    expect((error as Error).message.split('\n').length).toBeLessThan(10);
  });
});
