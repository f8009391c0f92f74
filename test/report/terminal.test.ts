import { describe, expect, it } from 'vitest';
import { renderReport, verdictLine } from '../../src/report/terminal.ts';
import type { Outcome } from '../../src/report/schema.ts';
import { summarize } from '../../src/measure/summary.ts';
import { D6_VIOLATION, sampleOutcome, sampleStatistics } from './sample.ts';

const render = (outcome: Outcome, width = 80, color = false): string =>
  renderReport(outcome, { width, color });
const lines = (text: string): string[] => text.replace(/\n$/, '').split('\n');
/** The part of a report below a heading. */
const section = (text: string, title: string): string => text.split(`\n${title}\n`)[1]!.split('\n\n')[0]!;

const failed = sampleOutcome({
  verdict: 'violation',
  exitStatus: 1,
  violations: [
    D6_VIOLATION,
    {
      ...D6_VIOLATION,
      id: 'deadlock',
      sentence: '',
      text: 'nobody can go on',
      actor: -1,
      actorName: 'nobody',
      words: [],
      step: -1,
    },
  ],
  actors: [{ name: 'L2 vCPU 0', class: 'l2-vcpu', status: 'failed', error: 'RangeError: out of tables' }],
});

describe('renderReport', () => {
  it('is readable at 80 columns', () => {
    expect(`\n${render(sampleOutcome())}`).toMatchInlineSnapshot(`
      "
      splitstorm 0.1.0: run of nested-migration: CLEAN
        run               parallel, 3 threads on 2 cores, variant default, seed 42,
                          12.3 s, Node 20.20.0
        parameters        vcpus=2 (default 4), memory=16G (default 4G)

      Splitting
        huge pages split  4,104 (2 MiB 4,096, 1 GiB 8) in 1.24 s (3,310/s)
        child tables      4,100 new, 4 reused
        EAGAIN rounds     123 (7 without a split)
        failed            ENOSPC 1, ENOMEM 0
        yields for topup  123 (contended 100, cache low 20, resched 3)
        yields of walker  12 (contended 10, resched 2)
        restarts          4,227
        splits per hold   33.37 (123 holds ended by a topup)
        waiter to drop    p50 22.53, p99 44.80, max 45.00 µs (100 samples)

      Locks (times in µs)
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
        hand-offs         mmu_lock-W: migration to l2-vcpu 80, l2-vcpu to migration 40

      Machine
        TLB flushes       16 (split 12, end-of-ioctl 4); 21 vCPUs kicked
        faults            1,000 (fixed 950, spurious 30, retried 20); prefetched 12
        migration         3 rounds, 4,450,123 pages copied, 4,194,304 compared: the
                          destination equals the source
        pages by size     over 11.4 s, 20 samples
          1 GiB 8 |@@@***===:::                                            |         0
          2 MiB 0 |   ...:::---@@@%%%######***+++++===------:::.........   |         0
          4 KiB 0 |               .........:::-----======+++******######%%@| 2,304,000

      Checks
        ran               7 (D1 D2 D4 D6 Q14 Q18 Q20), state inspected 24 times
        actors            all 3 done
        violations        none

      Caveats
        - more threads (3) than cores (2): waits measure the host scheduler
        - clock read costs 58 ns: times below 232 ns are mostly the clock

      To run it again
        splitstorm run nested-migration \\
          --seed 42 \\
          --param vcpus=2 \\
          --param memory=16G \\
          --threads 3

      SUCCESS verdict=clean violations=0 exit=0 seed=42
      "
    `);
  });

  it('uses the room of 140 columns', () => {
    const text = render(sampleOutcome(), 140);
    expect(section(text, 'Splitting')).toBe(section(render(sampleOutcome()), 'Splitting'));
    expect(lines(text).filter((line) => line.startsWith('  class name'))).toHaveLength(1);
    expect(`\n${section(text, 'Machine')}\n`).toMatchInlineSnapshot(`
      "
        TLB flushes       16 (split 12, end-of-ioctl 4); 21 vCPUs kicked
        faults            1,000 (fixed 950, spurious 30, retried 20); prefetched 12
        migration         3 rounds, 4,450,123 pages copied, 4,194,304 compared: the destination equals the source
        pages by size     over 11.4 s, 20 samples
          1 GiB 8 |@@@@****====:::                                                         |         0
          2 MiB 0 |    ....::::---@@@@%%%%#######****++++++++===--------::::...........    |         0
          4 KiB 0 |                   ...........::::--------=======++++*******########%%%@| 2,304,000
      "
    `);
    expect(text).toContain(
      '\n  splitstorm run nested-migration --seed 42 --param vcpus=2 --param memory=16G --threads 3\n',
    );
  });

  it.each([40, 60, 80, 100, 120, 140])('fits %i columns', (width) => {
    for (const outcome of [
      sampleOutcome(),
      failed,
      sampleOutcome({ statistics: sampleStatistics('steps') }),
    ]) {
      const all = lines(render(outcome, width));
      // The line for scripts is never broken.
      expect(all.slice(0, -1).filter((line) => line.length > width)).toEqual([]);
      expect(all.at(-1)!.length).toBeLessThanOrEqual(Math.max(width, 70));
    }
  });

  it('says what was broken, by whom and when', () => {
    expect(`\n${section(render(failed), 'Checks')}\n`).toMatchInlineSnapshot(`
      "
        ran               7 (D1 D2 D4 D6 Q14 Q18 Q20), state inspected 24 times
        actors            0 done
                          L2 vCPU 0 failed: RangeError: out of tables
        violations        2
        1. D6: After the last round the destination equals the source, page by page.
           gfn 0x40040 has version 7 at the source and 6 at the destination, and this
           text goes on for a while so that it has to be wrapped
           by migration (actor 0) at step 12,345; words 1234, 5678
        2. deadlock
           nobody can go on
           by nobody
      "
    `);
  });

  it('counts steps in a controlled run', () => {
    const { runtime } = sampleOutcome();
    const text = render(
      sampleOutcome({
        kind: 'explore',
        statistics: sampleStatistics('steps'),
        traceHash: 'deadbeef',
        runtime: { ...runtime, mode: 'controlled', threads: 1 },
        exploration: { strategy: 'random-walk', schedules: 1000, steps: 234_567, truncated: 2 },
      }),
    );
    expect(text).toContain('controlled, variant default, seed 42');
    expect(text).toContain('trace deadbeef');
    expect(text).toContain('1,000 schedules by random-walk, 234,567 steps, 2 cut off');
    expect(text).toContain('Locks (times in steps)');
    expect(section(text, 'Splitting')).toContain('in 1,240 steps\n');
    expect(text).not.toContain('µs');
  });

  it('has something to say about a run in which nothing happened', () => {
    const statistics = summarize({ unit: 'ns', duration: 0, rows: [] });
    const text = render(
      sampleOutcome({ statistics, changed: [], caveats: [], checks: { ran: [], stops: 0 }, actors: [] }),
    );
    expect(text).toContain('no lock was recorded');
    expect(text).toContain('all at their defaults');
    expect(text).toContain('mmu_lock was never dropped for a topup');
    expect(text).not.toMatch(/NaN|Infinity|undefined|null|Caveats/);
  });

  it('ends with the line for scripts', () => {
    expect(lines(render(sampleOutcome())).at(-1)).toBe('SUCCESS verdict=clean violations=0 exit=0 seed=42');
    expect(lines(render(failed)).at(-1)).toBe(
      'FAILURE verdict=violation violations=2 first=D6 exit=1 seed=42',
    );
    expect(verdictLine(sampleOutcome({ verdict: 'inconclusive', exitStatus: 3, seed: 'a b' }))).toBe(
      'FAILURE verdict=inconclusive violations=0 exit=3 seed=a_b',
    );
  });

  it('shows the token if there is one', () => {
    expect(render(sampleOutcome({ token: 'ss1:abc' }))).toContain('token             ss1:abc');
    expect(render(sampleOutcome())).not.toContain('  token');
  });

  it('has no escape sequence without colour, whatever the texts say', () => {
    const evil = 'x\u001b[31mred\u009b1m\r\n';
    const outcome = sampleOutcome({
      scenario: evil,
      variant: evil,
      seed: evil,
      token: evil,
      tool: { name: 'splitstorm', version: evil },
      reproduce: { command: evil },
      caveats: [evil],
      changed: [{ name: evil, value: evil, default: evil }],
      violations: [{ ...D6_VIOLATION, id: evil, sentence: evil, text: evil, actorName: evil }],
      actors: [{ name: evil, class: 'other', status: 'failed', error: evil }],
      checks: { ran: [evil], stops: 1 },
      exploration: { strategy: evil, schedules: 1, steps: 1, truncated: 0 },
      traceHash: evil,
    });
    for (const width of [40, 80, 140]) {
      // eslint-disable-next-line no-control-regex -- control characters are what it is about
      expect(render(outcome, width)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });

  it('says the same with colour', () => {
    const colored = render(failed, 80, true);
    expect(colored).toContain('\u001b[31m');
    // eslint-disable-next-line no-control-regex -- the colours
    expect(colored.replaceAll(/\u001b\[\d+m/g, '').replaceAll(/ +$/gm, '')).toBe(render(failed));
  });
});
