import { describe, expect, it } from 'vitest';
import scenario from '../../scenarios/nested-migration.ts';
import { changedParameters } from '../../src/report/changed.ts';
import { resolveParameters } from '../../src/scenario/build.ts';

describe('changedParameters', () => {
  it('is empty for the defaults of the purpose', () => {
    for (const purpose of ['run', 'explore'] as const) {
      expect(changedParameters(scenario, purpose, resolveParameters(scenario, purpose, {}))).toEqual([]);
    }
  });

  it('shows what was changed as it is given on the command line', () => {
    const values = resolveParameters(scenario, 'run', {
      nx: 'true',
      memory: '16G',
      vcpus: 4,
      writeFraction: '0.25',
    });
    expect(changedParameters(scenario, 'run', values)).toEqual([
      { name: 'memory', value: '16G', default: '2G' },
      { name: 'writeFraction', value: '0.25', default: '0.5' },
      { name: 'nx', value: 'true', default: 'false' },
    ]);
  });
});
