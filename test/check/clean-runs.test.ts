import { describe, expect, it } from 'vitest';
import p0 from '../../src/variants/profiles/p0.ts';
import p2 from '../../src/variants/profiles/p2.ts';
import { P1_ENGINE } from '../../src/mmu/default-engine.ts';
import nestedMigration from '../../scenarios/nested-migration.ts';
import shadowedTables from '../../scenarios/shadowed-tables.ts';
import { aliased, twoSizes, violationsOf } from './judged-run.ts';

const PARAMETERS: readonly Readonly<Record<string, unknown>>[] = [
  {},
  { manual: 'manual', ops: 16 },
  { manual: 'initially-set', vcpus: 3 },
  { manual: 'initially-set', eager: false },
  { nx: true, execFraction: 0.3, l1AdBits: false },
  { format: 'npt', preempt: 'none', reschedRate: 0.2 },
  { mmuPages: 18, vcpus: 3, ops: 8 },
  { mmuPages: 18, manual: 'initially-set', reschedRate: 0.2 },
];

describe('the clean engine', () => {
  it.each(PARAMETERS)('reports nothing in a nested migration with %j', (parameters) => {
    expect(violationsOf(nestedMigration, { parameters, schedules: 100 })).toEqual([]);
  });

  it.each([{}, { manual: 'initially-set' }, { l1AdBits: false, nx: true, execFraction: 0.3 }])(
    'reports nothing when L2 can write the shadowed tables, with %j',
    (parameters) => {
      expect(violationsOf(shadowedTables, { parameters, schedules: 60 })).toEqual([]);
    },
  );

  it('reports nothing when pages of two sizes alias', () => {
    expect(violationsOf(twoSizes, { schedules: 100 })).toEqual([]);
    expect(violationsOf(aliased(3), { schedules: 100 })).toEqual([]);
  });

  it.each([p0, p2])('keeps to the flushes of its profile: $name', (variant) => {
    const engine = variant.apply(P1_ENGINE);
    expect(violationsOf(nestedMigration, { engine, schedules: 100 })).toEqual([]);
    expect(violationsOf(twoSizes, { engine, schedules: 100 })).toEqual([]);
  });
});
