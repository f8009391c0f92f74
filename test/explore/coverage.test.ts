import { describe, expect, it } from 'vitest';
import { Op, type OpKind } from '../../src/cpu/steps.ts';
import { Coverage, decodePair, reversePair } from '../../src/explore/coverage.ts';
import { ProgramRunner, type Program } from '../../src/explore/program.ts';
import { Schedules } from '../../src/explore/scheduler-of.ts';
import { parseStrategy } from '../../src/explore/strategies/index.ts';
import { write } from '../../bench/kernels/sync.ts';

type Event = readonly [actor: number, op: OpKind, word: number, writes?: boolean];

const make = (entriesFrom = 100): Coverage =>
  new Coverage({
    actors: 3,
    words: 200,
    entriesFrom,
    kindOf: (word) => (word < 100 ? 1 : 2),
    kinds: 3,
    partyOf: (actor) => actor,
  });

function fingerprint(events: readonly Event[], coverage = make()): string {
  coverage.begin();
  for (const [actor, op, word, writes] of events) {
    coverage.operation(actor, op, word, writes ?? (op !== Op.Load && op !== Op.Wait));
  }
  return `${coverage.lo}:${coverage.hi}`;
}

const { Load, Store, Store64, CompareExchange, Pause, Fence } = Op;

describe('the happens-before fingerprint', () => {
  it('does not see how independent operations are interleaved', () => {
    const a: Event[] = [
      [0, Store, 2],
      [1, Store, 4],
      [0, Load, 4],
    ];
    const b: Event[] = [
      [1, Store, 4],
      [0, Store, 2],
      [0, Load, 4],
    ];
    expect(fingerprint(a)).toBe(fingerprint(b));
  });

  it('sees the order of dependent operations', () => {
    const orders = [
      [
        [0, Store, 2],
        [1, Store, 2],
      ],
      [
        [1, Store, 2],
        [0, Store, 2],
      ],
      [
        [0, Load, 2],
        [1, Store, 2],
      ],
      [
        [1, Store, 2],
        [0, Load, 2],
      ],
    ] as const;
    expect(new Set(orders.map((order) => fingerprint(order))).size).toBe(4);
  });

  it('does not see the order of reads between two writes, but who was among them', () => {
    const reads = (...readers: number[]): string =>
      fingerprint([[0, Store, 2], ...readers.map((actor): Event => [actor, Load, 2]), [0, Store, 2]]);
    expect(reads(1, 2)).toBe(reads(2, 1));
    expect(reads(1, 2)).not.toBe(reads(1));
  });

  it('takes a failed compare-exchange for a read', () => {
    const tries = (first: number, second: number, writes: boolean): string =>
      fingerprint([
        [first, CompareExchange, 2, writes],
        [second, CompareExchange, 2, writes],
      ]);
    expect(tries(0, 1, false)).toBe(tries(1, 0, false));
    expect(tries(0, 1, true)).not.toBe(tries(1, 0, true));
  });

  it('takes the two words of an entry for one location, and two lock words side by side for two', () => {
    const pair = (word: number, first: number): string => {
      const events: Event[] = [
        [0, Store, word],
        [1, Store64, word + 1],
      ];
      return fingerprint(first === 0 ? events : events.reverse());
    };
    expect(pair(120, 0)).not.toBe(pair(120, 1));
    expect(pair(20, 0)).toBe(pair(20, 1));
  });

  it('forgets the run before', () => {
    const coverage = make();
    const first = fingerprint([[0, Store, 2]], coverage);
    fingerprint([[1, Store, 2]], coverage);
    expect(fingerprint([[0, Store, 2]], coverage)).toBe(first);
  });

  it('ignores pauses and fences', () => {
    expect(
      fingerprint([
        [0, Pause, 0],
        [0, Store, 2],
        [1, Fence, 0],
      ]),
    ).toBe(fingerprint([[0, Store, 2]]));
  });

  it('counts exactly the behaviours of a small program: 2 writers and a reader of one word', () => {
    // Of the 3! orders of a write, another write and a read all are different.
    const program: Program = {
      name: 'three',
      words: 2,
      actors: [0, 1, 2].map(
        (actor) =>
          function* (cpu, base) {
            if (actor < 2) yield* write(cpu, base, actor);
            else {
              yield cpu.at(Op.Load, base);
              cpu.load(base);
            }
          },
      ),
    };
    const runner = new ProgramRunner(program);
    const { memory, entriesFrom } = runner;
    const coverage = new Coverage({
      actors: 3,
      words: memory.length,
      entriesFrom,
      kindOf: () => 0,
      kinds: 1,
      partyOf: (actor) => actor,
    });
    runner.log.coverage = coverage;
    const seen = new Set<string>();
    const schedules = new Schedules(runner, 4, parseStrategy('random-walk'));
    for (let i = 0; i < 200; i++) {
      runner.run(schedules.of(i), 4, i);
      seen.add(`${coverage.lo}:${coverage.hi}`);
    }
    expect(seen.size).toBe(6);
    const pairs = new Set(coverage.newPairs);
    // Three pairs of actors, each in both orders.
    expect(pairs.size).toBe(6);
    for (const pair of pairs) expect(pairs.has(reversePair(pair))).toBe(true);
  });
});

describe('operation pairs', () => {
  const pairsOf = (events: readonly Event[]): string[] => {
    const coverage = make();
    fingerprint(events, coverage);
    return coverage.newPairs.map((key) => {
      const { kind, earlier, later } = decodePair(key);
      return `${kind}: ${earlier.party} ${earlier.op}, ${later.party} ${later.op}`;
    });
  };

  it('are a write and what somebody else does to the word next, and a read before another one writes', () => {
    expect(
      pairsOf([
        [0, Store, 2],
        [1, Load, 2],
        [2, Store, 2],
      ]),
    ).toEqual(['1: 0 store, 1 load', '1: 0 store, 2 store', '1: 1 load, 2 store']);
  });

  it('are no pairs if both read, if it is the same actor, or if the words differ', () => {
    expect(
      pairsOf([
        [0, Load, 2],
        [1, Load, 2],
        [2, Store, 4],
        [2, Load, 4],
        [0, Load, 6],
      ]),
    ).toEqual([]);
  });

  it('are reported once, until they are forgotten', () => {
    const coverage = make();
    const events: Event[] = [
      [0, Store, 120],
      [1, Load, 120],
    ];
    fingerprint(events, coverage);
    fingerprint(events, coverage);
    expect(coverage.newPairs).toHaveLength(1);
    const [key] = coverage.newPairs;
    coverage.forgetPairs();
    expect(coverage.newPairs).toHaveLength(0);
    fingerprint(events, coverage);
    expect(coverage.newPairs).toEqual([key]);
    expect(reversePair(reversePair(key!))).toBe(key);
  });
});
