import { array, assert, boolean, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dealer, epochOf } from '../../src/explore/deal.ts';

describe('epochs', () => {
  it('follow one another without a gap and are a function of the number alone', () => {
    const epochs = Array.from({ length: 40_000 }, (_, schedule) => epochOf(schedule));
    epochs.forEach(({ from, to }, schedule) => expect(schedule >= from && schedule < to).toBe(true));
    const distinct = epochs.filter(({ number }, i) => number !== epochs[i - 1]?.number);
    expect(distinct.map(({ number }) => number)).toEqual(distinct.map((_, i) => i));
    expect(distinct.slice(1).map(({ from }) => from)).toEqual(distinct.slice(0, -1).map(({ to }) => to));
    expect([0, 15, 16, 63, 64, 128, 8191, 8192].map((i) => epochOf(i).number)).toEqual([
      0, 0, 1, 1, 2, 3, 8, 9,
    ]);
  });
});

const none = { newFingerprint: false, newFailure: false };
const found = { newFingerprint: true, newFailure: false };

describe('a deal', () => {
  it('gives every arm its share of every stretch', () => {
    const dealer = new Dealer([0.5, 0.3, 0.2]);
    const deal = dealer.dealOf(epochOf(16))!;
    for (let from = 0; from + 20 <= deal.length; from++) {
      const counts = [0, 0, 0];
      for (const arm of deal.subarray(from, from + 20)) counts[arm]!++;
      expect(counts[0]).toBeGreaterThanOrEqual(9);
      expect(counts[1]).toBeGreaterThanOrEqual(5);
      expect(counts[2]).toBeGreaterThanOrEqual(3);
    }
  });

  it('moves the shares to the arm that brings new behaviour, by three times at most', () => {
    const dealer = new Dealer([0.5, 0.3, 0.2]);
    for (let i = 0; i < 2048; i++) dealer.report(i, dealer.armOf(i) === 2 ? found : none);
    const [a, b, c] = dealer.mix;
    expect(c).toBeGreaterThan(0.6);
    expect(a! / b!).toBeCloseTo(0.5 / 0.3);
    // 0.2 * 3 against 0.8 / 3.
    expect(c).toBeLessThanOrEqual(0.6 / (0.6 + 0.8 / 3) + 1e-9);
  });

  it('keeps the initial shares while nobody or everybody brings something', () => {
    for (const what of [none, found]) {
      const dealer = new Dealer([0.5, 0.3, 0.2]);
      for (let i = 0; i < 1024; i++) dealer.report(i, what);
      [0.5, 0.3, 0.2].forEach((share, arm) => expect(dealer.mix[arm]).toBeCloseTo(share, 6));
    }
  });

  it('counts a failure of a new kind as much as many fingerprints', () => {
    const dealer = new Dealer([0.5, 0.5]);
    for (let i = 0; i < 256; i++)
      dealer.report(i, { newFingerprint: true, newFailure: i >= 16 && i % 8 === 0 && dealer.armOf(i) === 0 });
    expect(dealer.mix[0]).toBeGreaterThan(0.6);
  });

  it('is known while the epoch before is still under way, and refused further ahead', () => {
    const dealer = new Dealer([0.5, 0.5]);
    expect(() => dealer.armOf(63)).not.toThrow();
    expect(() => dealer.armOf(64)).toThrow(/depends on/);
    for (let i = 0; i < 16; i++) dealer.report(i, found);
    expect(() => dealer.armOf(127)).not.toThrow();
    expect(() => dealer.armOf(128)).toThrow(/depends on/);
  });

  it('is a function of what was reported', () => {
    assert(
      property(array(boolean(), { minLength: 600, maxLength: 600 }), (news) => {
        const play = (): number[] => {
          const dealer = new Dealer([0.4, 0.35, 0.25]);
          return news.map((newFingerprint, i) => {
            const arm = dealer.armOf(i);
            dealer.report(i, { newFingerprint, newFailure: false });
            // Reporting again changes nothing.
            dealer.report(i, { newFingerprint: !newFingerprint, newFailure: true });
            return arm;
          });
        };
        expect(play()).toEqual(play());
      }),
      { numRuns: 10 },
    );
  });
});
