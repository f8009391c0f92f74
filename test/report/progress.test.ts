import { describe, expect, it } from 'vitest';
import { ProgressWriter, renderProgress, type ProgressState } from '../../src/report/progress.ts';

const state = (over: Partial<ProgressState> = {}): ProgressState => ({
  label: 'nested-migration',
  elapsedMs: 12_000,
  fraction: 0.529,
  remainingMs: 11_000,
  figures: [
    ['splits', 1234],
    ['yields', 12],
  ],
  violations: 0,
  ...over,
});

describe('renderProgress', () => {
  it('shows what is known', () => {
    expect(renderProgress(state(), 120)).toBe(
      'nested-migration  00:12  [#####.....] 52%  00:11 left  splits 1,234  yields 12  no violations',
    );
    expect(renderProgress(state({ fraction: null, remainingMs: null, figures: [] }), 120)).toBe(
      'nested-migration  00:12  no violations',
    );
  });

  it('fits any width and says violations as long as they fit', () => {
    const shown = Array.from({ length: 120 }, (_, at) => renderProgress(state({ violations: 3 }), at + 1));
    expect(shown.filter((line, at) => line.length > at + 1)).toEqual([]);
    expect(shown.slice('VIOLATIONS 3'.length - 1).filter((line) => !line.includes('VIOLATIONS 3'))).toEqual(
      [],
    );
  });

  it('drops the last figure first', () => {
    expect(renderProgress(state(), 85)).toContain('splits 1,234  no violations');
  });

  it('clamps a fraction out of range', () => {
    expect(renderProgress(state({ fraction: 1.5 }), 120)).toContain('[##########] 100%');
  });
});

function writerOn(stream: { isTTY?: boolean; columns?: number }, quiet = false) {
  const written: string[] = [];
  const clock = { now: 0 };
  const write = (text: string): boolean => written.push(text) > 0;
  const writer = new ProgressWriter({ stream: { ...stream, write }, quiet, now: () => clock.now });
  const run = (untilMs: number): void => {
    for (; clock.now < untilMs; clock.now += 10) writer.update(state());
  };
  return { writer, written, run };
}

describe('ProgressWriter', () => {
  it('rewrites one line five times a second on a terminal', () => {
    const { written, run, writer } = writerOn({ isTTY: true, columns: 80 });
    run(2000);
    expect(written).toHaveLength(10);
    expect(written.every((text) => text.startsWith('\r') && !text.includes('\n') && text.length <= 80)).toBe(
      true,
    );
    writer.clear();
    const last = written.at(-2)!;
    expect(last.trim()).toBe('');
    expect(last.length).toBe(written[9]!.length);
    expect(written.at(-1)).toBe('\r');
  });

  it('writes a line every 30 s elsewhere, and none for a short run', () => {
    const { written, run, writer } = writerOn({});
    run(29_990);
    expect(written).toEqual([]);
    run(95_000);
    expect(written).toHaveLength(3);
    expect(written.every((text) => text.endsWith('\n') && !text.includes('\r'))).toBe(true);
    writer.clear();
    expect(written).toHaveLength(3);
  });

  it('is silent if quiet', () => {
    const { written, run, writer } = writerOn({ isTTY: true }, true);
    run(60_000);
    writer.clear();
    expect(written).toEqual([]);
  });
});
