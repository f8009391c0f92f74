import { describe, expect, it } from 'vitest';
import { PlainCpu, RunLog } from '../../src/cpu/plain-cpu.ts';
import { Op } from '../../src/cpu/steps.ts';
import { fewWords } from '../support/programs.ts';

function make(stepped: boolean): { cpu: PlainCpu; log: RunLog; base: number; w: Int32Array } {
  const { arena, base } = fewWords();
  const log = new RunLog();
  log.reset();
  const cpu = new PlainCpu(arena, log, { actor: 2, name: 'the actor', cls: 'other' }, stepped);
  return { cpu, log, base, w: arena.w };
}

describe('operations of one word', () => {
  it('return the value before and leave the value after', () => {
    const { cpu, base, w } = make(false);
    cpu.store(base, 5);
    expect([cpu.load(base), cpu.add(base, 7), w[base]]).toEqual([5, 5, 12]);
    expect([cpu.or(base, 3), w[base]]).toEqual([12, 15]);
    expect([cpu.and(base, 6), w[base]]).toEqual([15, 6]);
    expect([cpu.exchange(base, -1), w[base]]).toEqual([6, -1]);
    expect([cpu.compareExchange(base, 4, 9), w[base]]).toEqual([-1, -1]);
    expect([cpu.compareExchange(base, -1, 9), w[base]]).toEqual([-1, 9]);
  });

  it('wrap around at 32 bits', () => {
    const { cpu, base, w } = make(false);
    cpu.store(base, 0x7fffffff);
    cpu.add(base, 1);
    expect(w[base]).toBe(-0x80000000);
  });
});

describe('operations of an entry', () => {
  const set = (): { cpu: PlainCpu; w: Int32Array; base: number; q: number } => {
    const { cpu, base, w } = make(false);
    w[base] = 0x11;
    w[base + 1] = 0x22;
    return { cpu, w, base, q: base / 2 };
  };
  const words = (w: Int32Array, base: number): number[] => [...w.subarray(base - 1, base + 3)];

  it('load64 leaves both halves in lo and hi', () => {
    const { cpu, q } = set();
    cpu.load64(q);
    expect([cpu.lo, cpu.hi]).toEqual([0x11, 0x22]);
  });

  it('store64 replaces both halves and nothing beside them', () => {
    const { cpu, q, w, base } = set();
    cpu.store64(q, -1, -2);
    expect(words(w, base)).toEqual([0, -1, -2, 0]);
  });

  it('exchange64 replaces and leaves what was there', () => {
    const { cpu, q, w, base } = set();
    cpu.exchange64(q, 3, 4);
    expect([cpu.lo, cpu.hi, ...words(w, base)]).toEqual([0x11, 0x22, 0, 3, 4, 0]);
  });

  it('compareExchange64 replaces only if both halves are as expected', () => {
    for (const [lo, hi] of [
      [0x11, 0x23],
      [0x10, 0x22],
      [0, 0],
    ] as const) {
      const { cpu, q, w, base } = set();
      expect(cpu.compareExchange64(q, lo, hi, 3, 4)).toBe(false);
      expect([cpu.lo, cpu.hi, ...words(w, base)]).toEqual([0x11, 0x22, 0, 0x11, 0x22, 0]);
    }
    const { cpu, q, w, base } = set();
    expect(cpu.compareExchange64(q, 0x11, 0x22, 3, 4)).toBe(true);
    expect([cpu.lo, cpu.hi, ...words(w, base)]).toEqual([0x11, 0x22, 0, 3, 4, 0]);
  });

  it('or64 adds bits to both halves and leaves what was there', () => {
    const { cpu, q, w, base } = set();
    cpu.or64(q, 0x4, -0x80000000);
    expect([cpu.lo, cpu.hi, ...words(w, base)]).toEqual([0x11, 0x22, 0, 0x15, 0x22 | -0x80000000, 0]);
  });
});

describe('the announcement', () => {
  it('is demanded for each operation and served once', () => {
    const { cpu, base } = make(true);
    expect(() => cpu.load(base)).toThrow(
      `the actor performed load of word ${base} but announced pause of word 0: a visible operation must be announced`,
    );
    cpu.at(Op.Load, base);
    expect(cpu.load(base)).toBe(0);
    expect(() => cpu.load(base)).toThrow('announced pause');
  });

  it('must name the operation and the word', () => {
    const { cpu, base } = make(true);
    cpu.at(Op.Load, base);
    expect(() => cpu.store(base, 1)).toThrow(
      `performed store of word ${base} but announced load of word ${base}`,
    );
    cpu.at(Op.Load, base);
    expect(() => cpu.load(base + 1)).toThrow(
      `performed load of word ${base + 1} but announced load of word ${base}`,
    );
    cpu.at(Op.Load64, base);
    cpu.load64(base / 2);
  });

  it.each([
    'load',
    'store',
    'add',
    'or',
    'and',
    'exchange',
    'load64',
    'store64',
    'exchange64',
    'or64',
  ] as const)('is demanded by %s', (operation) => {
    const { cpu, base } = make(true);
    const at = operation.endsWith('64') ? base / 2 : base;
    expect(() => cpu[operation](at, 1, 1)).toThrow('must be announced');
  });

  it('is demanded by the exchanges that compare, even when they do nothing', () => {
    const { cpu, base } = make(true);
    expect(() => cpu.compareExchange(base, 1, 2)).toThrow('must be announced');
    expect(() => cpu.compareExchange64(base / 2, 1, 1, 2, 2)).toThrow('must be announced');
  });
});

describe('waiting', () => {
  it('goes through when the word differs', () => {
    const { cpu, base } = make(true);
    cpu.at(Op.Wait, base, 1);
    expect(() => cpu.wait(base, 1)).not.toThrow();
  });

  it('is a defect of the runtime when the word still holds the value, and for ever when the actor runs alone', () => {
    const stepped = make(true);
    stepped.cpu.at(Op.Wait, stepped.base, 0);
    expect(() => stepped.cpu.wait(stepped.base, 0)).toThrow('was resumed while word');
    const alone = make(false);
    expect(() => alone.cpu.wait(alone.base, 0)).toThrow('would block for ever on word');
  });
});

describe('the trace hash', () => {
  const hashOf = (run: (cpu: PlainCpu, base: number) => void): string => {
    const { cpu, log, base } = make(false);
    run(cpu, base);
    return log.digest;
  };

  it('depends on the operation, the word, the value and the order', () => {
    const runs = [
      hashOf(() => {}),
      hashOf((cpu, base) => cpu.load(base)),
      hashOf((cpu, base) => cpu.load(base + 1)),
      hashOf((cpu, base) => cpu.store(base, 0)),
      hashOf((cpu, base) => cpu.store(base, 1)),
      hashOf((cpu, base) => {
        cpu.store(base, 1);
        cpu.load(base);
      }),
      hashOf((cpu, base) => {
        cpu.load(base);
        cpu.store(base, 1);
      }),
      hashOf((cpu, base) => cpu.store64(base / 2, 1, 0)),
      hashOf((cpu, base) => cpu.store64(base / 2, 0, 1)),
      hashOf((cpu, base) => cpu.exchange64(base / 2, 0, 1)),
    ];
    expect(new Set(runs).size).toBe(runs.length);
    expect(hashOf((cpu, base) => cpu.store64(base / 2, 0, 1))).toBe(runs[8]);
  });

  it('depends on the actor', () => {
    const { arena, base } = fewWords();
    const digests = [0, 1].map((actor) => {
      const log = new RunLog();
      log.reset();
      new PlainCpu(arena, log, { actor, name: '', cls: 'other' }, false).load(base);
      return log.digest;
    });
    expect(digests[0]).not.toBe(digests[1]);
  });

  it('is eight digits, and its listener sees every operation with its values', () => {
    const { cpu, log, base } = make(false);
    const seen: unknown[] = [];
    log.listener = { operation: (who, op, word, lo, hi) => seen.push([who.name, op, word - base, lo, hi]) };
    cpu.store(base + 2, 7);
    cpu.load64(base / 2 + 1);
    expect(seen).toEqual([
      ['the actor', Op.Store, 2, 7, 0],
      ['the actor', Op.Load64, 2, 7, 0],
    ]);
    expect(log.digest).toMatch(/^[0-9a-f]{8}$/);
    expect([log.steps, cpu.now()]).toEqual([2, 2]);
  });
});
