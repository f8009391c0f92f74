import { describe, expect, it } from 'vitest';
import { parseBudget } from '../../src/cli/explore-budget.ts';
import { UsageError } from '../../src/cli/usage.ts';

const DEFAULTS = { schedules: '10000', from: '0', workers: 'auto', 'keep-going': false };

describe('the budget of explore', () => {
  it('is ten thousand schedules up to the first failure by default', () => {
    expect(parseBudget(DEFAULTS)).toEqual({
      schedules: 10_000,
      from: 0,
      maxFailures: 1,
      durationMs: undefined,
      stopWhenCovered: undefined,
      workers: 'auto',
    });
  });

  it('may go on through failures, end by time, by coverage, and have its own number of threads', () => {
    const given = { 'keep-going': true, duration: '90s', 'stop-when-covered': '0.99', workers: '3' };
    expect(parseBudget({ ...DEFAULTS, ...given })).toMatchObject({
      maxFailures: Infinity,
      durationMs: 90_000,
      stopWhenCovered: 0.99,
      workers: 3,
    });
    expect(parseBudget({ ...DEFAULTS, 'max-failures': '5' }).maxFailures).toBe(5);
  });

  it.each([
    [{ schedules: '0' }, '--schedules: "0" given, allowed is an integer from 1 to 2147483647'],
    [{ duration: '0s' }, '--duration: 0s given, allowed is 1ms to'],
    [{ duration: '30000h' }, '--duration: 30000h given, allowed is 1ms to'],
    [{ 'stop-when-covered': '0' }, '--stop-when-covered: "0" given, allowed is a probability'],
    [{ 'stop-when-covered': '1.5' }, '--stop-when-covered: "1.5" given, allowed is a probability'],
    [{ 'stop-when-covered': 'all' }, '--stop-when-covered: "all" given, allowed is a probability'],
    [{ 'max-failures': '0' }, '--max-failures: "0" given, allowed is an integer from 1'],
    [{ 'keep-going': true, 'max-failures': '2' }, 'give one of them, not both'],
    [{ workers: '0' }, '--workers: "0" given, allowed is an integer from 1 to 256, or auto'],
    [{ workers: 'many' }, '--workers: "many" given, allowed is an integer from 1 to 256, or auto'],
    [{ from: '-1' }, '--from: "-1" given'],
  ])('refuses %o in one line', (given, message) => {
    const parse = (): unknown => parseBudget({ ...DEFAULTS, ...given });
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/\n/);
  });
});
