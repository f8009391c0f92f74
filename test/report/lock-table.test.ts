import { describe, expect, it } from 'vitest';
import type { LockFigures, LockSummary } from '../../src/measure/lock-stats.ts';
import { renderLockTable } from '../../src/report/lock-table.ts';
import { sampleStatistics } from './sample.ts';

const { locks } = sampleStatistics();
const used = locks.filter((lock) => lock.total.acquisitions > 0);

function scaled(lock: LockSummary, factor: number): LockSummary {
  const times = (figures: LockFigures): LockFigures => ({
    ...figures,
    wait: { ...figures.wait, max: figures.wait.max * factor, total: figures.wait.total * factor },
    hold: { ...figures.hold, max: figures.hold.max * factor, total: figures.hold.total * factor },
  });
  return {
    ...lock,
    total: times(lock.total),
    byClass: lock.byClass.map((c) => ({ ...c, figures: times(c.figures) })),
  };
}

describe('renderLockTable', () => {
  it('is one table where it fits', () => {
    expect(`\n${renderLockTable(used, { unit: 'ns', width: 138 }).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      class name      con-  contentions  waittime  waittime  waittime  waittime  acquisitions   holdtime   holdtime    holdtime   holdtime
                   bounces                   -min      -max    -total      -avg                     -min       -max      -total       -avg
      ------------------------------------------------------------------------------------------------------------------------------------
      mmu_lock-W       120          120     21.00    840.00  51660.00    430.50           360       3.00   10800.00   696960.00    1936.00
        migration       40           40     21.00    840.00  17220.00    430.50           120      90.00   10800.00   653400.00    5445.00
        l2-vcpu         80           80     21.00    840.00  34440.00    430.50           240       3.00     360.00    43560.00     181.50
      slots_lock         0            0      0.00      0.00      0.00      0.00             4  400000.00  400000.00  1600000.00  400000.00
        migration        0            0      0.00      0.00      0.00      0.00             4  400000.00  400000.00  1600000.00  400000.00
      "
    `);
  });

  it('is two tables at 78 columns', () => {
    expect(`\n${renderLockTable(used, { unit: 'ns', width: 78 }).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      class name      con-  contentions  waittime  waittime  waittime  waittime
                   bounces                   -min      -max    -total      -avg
      -------------------------------------------------------------------------
      mmu_lock-W       120          120     21.00    840.00  51660.00    430.50
        migration       40           40     21.00    840.00  17220.00    430.50
        l2-vcpu         80           80     21.00    840.00  34440.00    430.50
      slots_lock         0            0      0.00      0.00      0.00      0.00
        migration        0            0      0.00      0.00      0.00      0.00

      class name   acquisitions   holdtime   holdtime    holdtime   holdtime
                                      -min       -max      -total       -avg
      ----------------------------------------------------------------------
      mmu_lock-W            360       3.00   10800.00   696960.00    1936.00
        migration           120      90.00   10800.00   653400.00    5445.00
        l2-vcpu             240       3.00     360.00    43560.00     181.50
      slots_lock              4  400000.00  400000.00  1600000.00  400000.00
        migration             4  400000.00  400000.00  1600000.00  400000.00
      "
    `);
  });

  it('is lines where no table fits', () => {
    expect(`\n${renderLockTable(used.slice(1), { unit: 'ns', width: 50 }).join('\n')}\n`)
      .toMatchInlineSnapshot(`
      "
      slots_lock
          con-bounces 0, contentions 0, waittime-min
          0.00, waittime-max 0.00, waittime-total 0.00,
          waittime-avg 0.00, acquisitions 4,
          holdtime-min 400000.00, holdtime-max
          400000.00, holdtime-total 1600000.00,
          holdtime-avg 400000.00
        migration
          con-bounces 0, contentions 0, waittime-min
          0.00, waittime-max 0.00, waittime-total 0.00,
          waittime-avg 0.00, acquisitions 4,
          holdtime-min 400000.00, holdtime-max
          400000.00, holdtime-total 1600000.00,
          holdtime-avg 400000.00
      "
    `);
  });

  it('never exceeds the width, however large the figures', () => {
    for (const factor of [1, 1000, 1e6]) {
      const big = used.map((lock) => scaled(lock, factor));
      for (const width of [40, 60, 78, 100, 120, 138, 200]) {
        for (const line of renderLockTable(big, { unit: 'ns', width }))
          expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('does not make up bounces that nobody counted', () => {
    const lock = { ...used[0]!, byClass: [], total: { ...used[0]!.total, bounces: null } };
    expect(renderLockTable([lock], { unit: 'ns', width: 138 }).at(-1)).toMatch(/^mmu_lock-W +- +120 /);
  });

  it('does not colour by itself, and is as wide with colours', () => {
    const plain = renderLockTable(used, { unit: 'ns', width: 78 });
    expect(plain.join('')).not.toContain('\u001b');
    const bold = renderLockTable(used, {
      unit: 'ns',
      width: 78,
      bold: (text) => `\u001b[1m${text}\u001b[22m`,
    });
    // eslint-disable-next-line no-control-regex -- the colours
    expect(bold.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(plain);
    expect(bold).not.toEqual(plain);
  });
});
