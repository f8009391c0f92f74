import { describe, expect, it } from 'vitest';
import {
  clean,
  formatClock,
  formatCount,
  formatDuration,
  formatTime,
  plural,
  truncate,
  wrap,
  wrapCommand,
} from '../../src/report/text.ts';

describe('numbers', () => {
  it('groups thousands', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
    expect([plural(1, 'page'), plural(2000, 'page')]).toEqual(['1 page', '2,000 pages']);
  });

  it('shows microseconds or steps', () => {
    expect(formatTime(1_234_567, 'ns')).toBe('1234.57');
    expect([formatTime(12, 'steps'), formatTime(12.34, 'steps')]).toEqual(['12', '12.3']);
  });

  it('picks the unit of a duration', () => {
    const values = [830, 1500, 12_345_678, 2_460_000_000, 123_456_000_000];
    const shown = ['830 ns', '1.50 µs', '12.3 ms', '2.46 s', '123 s'];
    expect(values.map((value) => formatDuration(value, 'ns'))).toEqual(shown);
    expect(formatDuration(1234, 'steps')).toBe('1,234 steps');
  });

  it('shows a clock', () => {
    expect([0, 65_000, 3_723_000].map(formatClock)).toEqual(['00:00', '01:05', '1:02:03']);
  });
});

describe('lines', () => {
  it('wraps at spaces and cuts what is too long for a line', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefgh i', 3)).toEqual(['abc', 'def', 'gh', 'i']);
    expect(wrap('', 5)).toEqual(['']);
  });

  it('replaces control characters', () => {
    expect(clean('a\u001b[31mb\r\nc\u009b1m')).toBe('a [31mb c 1m');
  });

  it('truncates', () => {
    expect([truncate('abcdef', 4), truncate('abcd', 4), truncate('abc', 0)]).toEqual(['abc…', 'abcd', '']);
  });

  it('keeps a wrapped command one that can be pasted', () => {
    const command = 'splitstorm run x --seed 42 --param a=1';
    expect(wrapCommand(command, 80)).toEqual([command]);
    const lines = wrapCommand(command, 20);
    expect(lines).toEqual(['splitstorm run x \\', '  --seed 42 \\', '  --param a=1']);
    expect(lines.join('\n').replaceAll(/ \\\n\s+/g, ' ')).toBe(command);
  });
});
