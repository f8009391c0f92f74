import { describe, expect, it } from 'vitest';
import { measureClockCost, trustNotes } from '../../src/measure/sampling.ts';

describe('measureClockCost', () => {
  it('is the time between two reads', () => {
    let now = 0;
    expect(measureClockCost(() => (now += 58))).toBeCloseTo(58);
  });

  it('is not moved by a few pauses', () => {
    let now = 0;
    let reads = 0;
    const clock = (): number => (now += ++reads % 9001 === 0 ? 1e9 : 40);
    expect(measureClockCost(clock)).toBeCloseTo(40);
  });
});

describe('trustNotes', () => {
  const good = { workers: 2, cores: 2, samples: 1000, unit: 'ns' } as const;

  it('has nothing against enough samples on enough cores', () => {
    expect(trustNotes(good)).toEqual([]);
  });

  it('names threads without a core, the clock and too few samples', () => {
    const notes = trustNotes({ ...good, workers: 6, samples: 12, of: 'contended waits', clockCostNs: 58.2 });
    expect(notes).toEqual([
      'more threads (6) than cores (2): waits measure the host scheduler',
      'clock read costs 58 ns: times below 233 ns are mostly the clock',
      'only 12 samples of contended waits',
    ]);
  });

  it('counts samples in words', () => {
    expect(trustNotes({ ...good, samples: 0 })).toEqual(['no samples']);
    expect(trustNotes({ ...good, samples: 1 })).toEqual(['only 1 sample']);
    expect(trustNotes({ ...good, samples: 30 })).toEqual([]);
  });

  it('does not blame cores or clocks for steps', () => {
    expect(trustNotes({ ...good, unit: 'steps', workers: 6, clockCostNs: 58 })).toEqual([]);
  });
});
