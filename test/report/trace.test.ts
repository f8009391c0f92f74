import { describe, expect, it } from 'vitest';
import { Op } from '../../src/cpu/steps.ts';
import { renderTrace, type TraceRow } from '../../src/report/trace.ts';

const actors = ['migration', 'L2 vCPU 0'];
const row = (
  step: number,
  actor: number,
  op: number,
  what: string,
  value: number | string,
  note?: string,
): TraceRow => ({
  step,
  actor,
  op,
  what,
  value,
  ...(note === undefined ? {} : { note }),
});
const render = (rows: readonly TraceRow[], width = 80, color = false): string[] => [
  ...renderTrace(rows, { actors, width, color }),
];

const ROWS = [
  row(1, 0, Op.CompareExchange, 'mmu_lock.cnts', 0),
  row(2, 0, Op.Load64, 'SPTE [2] of L2 direct rwx gfn 0x40', 0x1234567),
  row(3, 1, Op.CompareExchange, 'mmu_lock.cnts', 255, 'preempted'),
  ...[4, 5, 6, 7, 8, 9].map((step) =>
    row(step, 1, step % 2 === 0 ? Op.Load : Op.Wait, 'mmu_lock.wait_lock', 65_536),
  ),
  row(10, 0, Op.And, 'mmu_lock.cnts', 255, 'blocked'),
  row(11, 0, Op.Store, 'page 0x40', 7, 'remark'),
];

describe('renderTrace', () => {
  it('has a column for each actor, lines for switches, and folded spins', () => {
    expect(`\n${render(ROWS).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      step  migration                             L2 vCPU 0
            --> migration
         1  cmpxchg mmu_lock.cnts = 0
         2  load64 SPTE [2] of L2 d… = 0x1234567
            --> L2 vCPU 0 (preempted)
         3                                        cmpxchg mmu_lock.cnts = 255
         4                                        load mmu_lock.wait_lock = 0x10000
         5                                        wait mmu_lock.wait_lock = 0x10000
                                                  ... 2 ops x2 to 9
            --> migration (blocked)
        10  and mmu_lock.cnts = 255
            ; remark
        11  store page 0x40 = 7
      "
    `);
  });

  it('leaves out actors that do nothing where there are many', () => {
    const cast = ['migration', 'L2 vCPU 0', 'reclaim', 'zap-all', 'log-toggle', 'page-aging'];
    const rows = [row(1, 1, Op.Load, 'a', 1), row(2, 4, Op.Store, 'b', 2)];
    const lines = [...renderTrace(rows, { actors: cast, width: 60, color: false })];
    expect(lines[0]).toMatch(/^step +L2 vCPU 0 +log-toggle$/);
    expect(lines[4]!.indexOf('store b = 2')).toBe(lines[0]!.indexOf('log-toggle'));
    expect([...renderTrace(rows, { actors: cast.slice(0, 5), width: 120, color: false })][0]).toMatch(
      /^step +L2 vCPU 0 +log-toggle$/,
    );
    expect(
      [...renderTrace(rows.slice(0, 1), { actors: cast.slice(0, 4), width: 120, color: false })][0],
    ).toMatch(/^step +migration +L2 vCPU 0 +reclaim +zap-all$/);
  });

  it('has one column for all where they would be too narrow', () => {
    expect(`\n${render(ROWS, 36).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      step
            --> migration
         1  migration: cmpxchg mmu_lo… = 0
         2  migration: load64 SPTE … = 0x…
            --> L2 vCPU 0 (preempted)
         3  L2 vCPU 0: cmpxchg mmu_l… = 2…
         4  L2 vCPU 0: load mmu_l… = 0x10…
         5  L2 vCPU 0: wait mmu_l… = 0x10…
            L2 vCPU 0: ... 2 ops x2 to 9
            --> migration (blocked)
        10  migration: and mmu_lock… = 255
            ; remark
        11  migration: store page 0x40 = 7
      "
    `);
  });

  it('keeps to the width and keeps the value of what it cuts', () => {
    for (const width of [30, 44, 60, 80, 140]) {
      for (const line of render(ROWS, width)) expect(line.length).toBeLessThanOrEqual(width);
    }
    expect(render(ROWS, 60).find((line) => line.includes('load64'))).toContain('… = 0x1234567');
  });

  it('folds equal operations only: of one actor, word and value', () => {
    const spin = [1, 2, 3].map((step) => row(step, 0, Op.Load, 'x', 5));
    expect(render(spin).filter((line) => line.includes('load x'))).toHaveLength(1);
    const changing = [1, 2, 3].map((step) => row(step, 0, Op.Load, 'x', step));
    expect(render(changing).filter((line) => line.includes('load x'))).toHaveLength(3);
    const taking = [0, 1, 0, 1].map((actor, step) => row(step, actor, Op.Load, 'x', 5));
    expect(render(taking).filter((line) => line.includes('load x'))).toHaveLength(4);
  });

  it('shows every step once, folded or not', () => {
    const shown = render(ROWS).flatMap((line) => {
      const fold = /x(\d+) to \d+$/.exec(line);
      const ops = /(\d+) ops/.exec(line);
      if (fold !== null) return Number(fold[1]) * Number(ops?.[1] ?? 1);
      return /^ *\d+ /.test(line) ? 1 : [];
    });
    expect(shown.reduce((sum, n) => sum + n, 0)).toBe(ROWS.length);
  });

  it('streams: looks only a little ahead of the line that is asked for', () => {
    const many = Array.from({ length: 10_000 }, (_, step) => row(step, step % 2, Op.Load, 'x', step));
    let furthest = 0;
    const watched = new Proxy(many, {
      get(target, key): unknown {
        const index = Number(key);
        if (index < many.length - 1) furthest = Math.max(furthest, index);
        return Reflect.get(target, key) as unknown;
      },
    });
    const lines = renderTrace(watched, { actors, width: 80, color: false });
    for (let i = 0; i < 21; i++) lines.next();
    expect(furthest).toBeGreaterThan(5);
    expect(furthest).toBeLessThan(20);
    expect([...lines]).toHaveLength(1 + 2 * many.length - 21);
  });

  it('has no escape sequence without colour, whatever the texts say', () => {
    const evil = [row(1, 0, Op.Load, 'a\u001b[31m', 'b\u001b[0m', 'c\u001b[1m')];
    expect(render(evil).join('\n')).not.toContain('\u001b');
    expect(render(evil, 80, true).join('\n')).toContain('\u001b[');
  });
});

describe('what the model says between operations', () => {
  const spin = { actor: 0, op: 1, what: 'word', value: 1 };
  const options = { actors: ['a', 'b'], width: 100, color: false };

  it('stands below the operation it followed', () => {
    const rows = [
      { ...spin, step: 1, events: ['kvm_mmu_split_huge_page: gfn 20 spte bf7 level 2 errno -11'] },
      { ...spin, step: 2, value: 2 },
    ];
    const lines = [...renderTrace(rows, options)];
    const at = lines.findIndex((line) =>
      line.includes('* kvm_mmu_split_huge_page: gfn 20 spte bf7 level 2 errno -11'),
    );
    expect(lines[at - 1]).toMatch(/^ +1 /);
    expect(lines[at + 1]).toMatch(/^ +2 /);
  });

  it('is not lost in a folded spin', () => {
    const rows = [1, 2, 3, 4].map((step) => ({ ...spin, step, ...(step === 3 ? { events: ['seen'] } : {}) }));
    expect([...renderTrace(rows, options)].filter((line) => line.includes('* seen'))).toHaveLength(1);
  });
});
