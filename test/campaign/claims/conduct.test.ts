import { describe, expect, it } from 'vitest';
import { conduct } from '../../../src/campaign/claims/conduct.ts';
import {
  confirmed,
  defineExperiment,
  measured,
  refuted,
  type Experiment,
} from '../../../src/campaign/claims/define.ts';
import { hasFailed } from '../../../src/report/claims-report.ts';

const OPTIONS = { seed: '1', effort: 1, replays: 0, limitMs: 60_000 };

/** Confirmed unless something is broken in a few schedules of the smallest machine. */
const harmless = (change: Partial<Experiment>): Experiment =>
  defineExperiment({
    id: 'X1',
    claim: 'Nothing happens.',
    control: { variant: 'link-before-fill', verdict: 'refuted' },
    async run(lab) {
      const { failure, schedules } = await lab.explore({ scenario: 'tiny-split', schedules: 20 });
      return failure === undefined
        ? confirmed(`not in ${schedules}`)
        : refuted('it does', { witnesses: [failure] });
    },
    ...change,
  });

describe('conducting an experiment', () => {
  it('keeps what was run and what the control came to', async () => {
    const record = await conduct(harmless({}), OPTIONS);
    expect(record.verdict).toBe('confirmed');
    expect(record.runs).toEqual([
      expect.objectContaining({
        command: 'splitstorm explore tiny-split --seed 1 --schedules 20',
        method: 'random',
        schedules: 20,
        complete: false,
      }),
    ]);
    expect(record.control).toMatchObject({
      changed: 'link-before-fill',
      verdict: 'refuted',
      otherwise: true,
    });
    expect(hasFailed(record)).toBe(false);
  });

  it('says that an experiment is blind if its control comes out alike', async () => {
    const record = await conduct(harmless({ control: { variant: 'p2' } }), OPTIONS);
    expect(record.control).toMatchObject({ verdict: 'confirmed', otherwise: false });
    expect(hasFailed(record)).toBe(true);
  });

  it('compares a figure where the verdict stays', async () => {
    const counts = (figure: string): Experiment =>
      harmless({
        control: { parameters: { memory: '32K' }, figure },
        async run(lab) {
          const { counters, steps } = await lab.explore({ scenario: 'tiny-split', schedules: 5 });
          return measured('so many', { figures: { splits: counters.splitOk, always: 1, steps } });
        },
      });
    expect((await conduct(counts('splits'), OPTIONS)).control?.otherwise).toBe(true);
    expect((await conduct(counts('always'), OPTIONS)).control?.otherwise).toBe(false);
    expect((await conduct(counts('nothing'), OPTIONS)).control?.otherwise).toBe(false);
  });

  it('hands on a witness that replays', async () => {
    const record = await conduct(harmless({}), {
      ...OPTIONS,
      variant: 'link-before-fill',
      withoutControl: true,
    });
    expect(record.verdict).toBe('refuted');
    expect(record.witnesses).toHaveLength(1);
    expect(record.witnesses![0]!.token).toMatch(/^S1\.tiny-split~link-before-fill\./);
    expect(record.control).toBeUndefined();
  });

  it('multiplies the schedules of explorations, and not those of hunts', async () => {
    const both = harmless({
      async run(lab) {
        await lab.explore({ scenario: 'tiny-split', schedules: 20 });
        await lab.hunt({ scenario: 'tiny-split', atMost: 20 });
        return confirmed('done');
      },
    });
    const record = await conduct(both, { ...OPTIONS, effort: 0.1, withoutControl: true });
    expect(record.runs.map(({ schedules }) => schedules)).toEqual([2, 20]);
  });

  it('proves small machines, and says if it is not complete', async () => {
    const proof = harmless({
      async run(lab) {
        const all = await lab.prove({ scenario: 'tiny-split', preemptions: 0, atMost: 1000 });
        const part = await lab.prove({ scenario: 'tiny-split', preemptions: 1, atMost: 5 });
        return confirmed('done', { figures: { all: String(all.complete), part: String(part.complete) } });
      },
    });
    const record = await conduct(proof, { ...OPTIONS, withoutControl: true });
    expect(record.figures).toEqual({ all: 'true', part: 'false' });
    expect(record.runs.map(({ complete, bound }) => [complete, bound])).toEqual([
      [true, 0],
      [false, 1],
    ]);
  });

  it('is open when the time is up, and when the harness fails it says what with', async () => {
    const late = await conduct(harmless({}), { ...OPTIONS, effort: 1e6, limitMs: 1 });
    expect([late.verdict, late.error]).toEqual(['open', undefined]);
    const failing = harmless({ run: () => Promise.reject(new Error('no such thing')) });
    const record = await conduct(failing, OPTIONS);
    expect([record.verdict, record.error, hasFailed(record)]).toEqual(['open', 'no such thing', true]);
  });
});
