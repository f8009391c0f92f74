import { describe, expect, it } from 'vitest';
import { decideColor } from '../../src/report/color.ts';

describe('decideColor', () => {
  it.each([
    [true, true, {}],
    [true, true, { NO_COLOR: '' }],
    [false, true, { NO_COLOR: '1' }],
    [false, true, { TERM: 'dumb' }],
    [false, false, {}],
    [false, undefined, {}],
    [false, false, { CI: 'true' }],
    [false, false, { CI: 'true', TERM: 'xterm-256color', COLORTERM: 'truecolor' }],
    [true, false, { FORCE_COLOR: '1' }],
    [true, false, { FORCE_COLOR: '1', NO_COLOR: '1' }],
    [false, true, { FORCE_COLOR: '0' }],
    [false, true, { FORCE_COLOR: 'false' }],
    [false, false, { FORCE_COLOR: '' }],
  ])('is %s with isTTY %s and %o', (expected, isTTY, env) => {
    expect(decideColor({ isTTY }, env)).toBe(expected);
  });
});
