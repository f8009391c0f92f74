import { describe, expect, it } from 'vitest';
import { Op } from '../../src/cpu/steps.ts';
import { MAX_LINES, renderExplanation, stepWords, type Explanation } from '../../src/report/explanation.ts';
import { renderStep, type StepView } from '../../src/report/step-view.ts';
import type { RecordedStep } from '../../src/report/trace.ts';

const step = (number: number, actor: number, op: number, more: Partial<RecordedStep> = {}): RecordedStep => ({
  step: number,
  actor,
  op,
  what: 'L2[1]@0x20',
  value: 'none',
  word: 100,
  was: 'none',
  changed: false,
  ...more,
});

const STEPS: readonly RecordedStep[] = [
  step(1, 0, Op.CompareExchange, {
    what: 'mmu_lock',
    was: 0,
    value: 255,
    changed: true,
    lock: { name: 'mmu_lock for write', taken: true },
    because: 'start',
    note: 'the run begins',
  }),
  step(2, 0, Op.Exchange64, {
    was: '0x28 rw- AD HM PS',
    changed: true,
    events: ['kvm_mmu_get_page: gfn 28 L1 direct rwx new'],
  }),
  step(3, 1, Op.Load, {
    what: 'vCPU 0 requests',
    value: 0,
    was: 0,
    because: 'preempted',
    note: 'migration preempted',
  }),
  step(4, 1, Op.Load64, {}),
  step(5, 1, Op.CompareExchange, { what: 'mmu_lock', value: 255, was: 255 }),
  step(6, 1, Op.CompareExchange, { what: 'mmu_lock', value: 255, was: 255 }),
  step(7, 0, Op.Store64, {
    value: '-> table 120',
    changed: true,
    because: 'blocked',
    note: 'L2 vCPU 0 waits for mmu_lock, held by migration',
  }),
  step(8, 0, Op.And, {
    what: 'mmu_lock',
    was: 255,
    value: 0,
    changed: true,
    lock: { name: 'mmu_lock for write', taken: false },
  }),
];

const SAMPLE: Explanation = {
  scenario: 'nx-partial-reuse',
  variant: 'late-flush',
  parameters: ['vcpus=1'],
  idle: ['L2 vCPU 1'],
  kept: [],
  violation: {
    id: 'Q35',
    sentence: 'After a split every page still maps the same frame.',
    text: 'entry 1 of page 39 maps nothing',
    actor: 0,
  },
  actors: ['migration', 'L2 vCPU 0', 'L2 vCPU 1'],
  steps: STEPS,
  matters: new Map([
    [0, 40],
    [1, 80],
    [2, 70],
    [3, 60],
    [4, 50],
    [5, 50],
    [6, 80],
    [7, 100],
  ]),
  preemptions: 1,
  pair: { first: 2, second: 4, instead: undefined },
  swapped: { tried: 3, candidates: 9 },
  broken: [
    {
      name: 'SPTE [1] of L2 direct rwx gfn 0x20',
      value: '-> table 120',
      writer: { step: 7, actor: 0, was: 'none', value: '-> table 120' },
      notes: ['rmap of gfn 0x24 at level 2: empty'],
    },
  ],
  held: ['slots_lock is held by migration since step 1'],
  shrunk: 'Shrunk.',
  commands: [
    ['replay', 'npx splitstorm replay TOKEN --no-trace'],
    ['trace', 'npx splitstorm replay TOKEN'],
  ],
};

/** The second actor reads its mode again and again while the first works, and goes on when that has changed it. */
const spinning = (value: (round: number) => number): Explanation => {
  const steps: RecordedStep[] = [];
  const mode = { what: 'vCPU 0 mode', word: 7 };
  for (let round = 0; round < 12; round++) {
    steps.push(step(steps.length + 1, 1, Op.Load, { ...mode, value: value(round), was: value(round) }));
    steps.push(step(steps.length + 1, 1, Op.Load, { what: 'vCPU 0 requests', word: 8, value: 0, was: 0 }));
    if (round % 4 === 3)
      steps.push(step(steps.length + 1, 0, Op.Store64, { changed: true, value: `-> ${round}` }));
  }
  steps.push(step(steps.length + 1, 0, Op.Store, { ...mode, was: 1, value: 2, changed: true }));
  steps.push(step(steps.length + 1, 1, Op.Load, { ...mode, was: 2, value: 2 }));
  return {
    ...SAMPLE,
    steps,
    matters: new Map(steps.map((_, place) => [place, 50])),
    pair: { first: 9, second: 29, instead: undefined },
  };
};

const render = (explanation: Explanation, width = 80): string[] =>
  renderExplanation(explanation, { width, color: false });

describe('an explanation', () => {
  it('says which moves are left of whom, and where one with a name begins', () => {
    const steps = SAMPLE.steps.map((one, place) => (place === 4 ? { ...one, move: 'unmap (move 17)' } : one));
    const kept = ['3, 17 of L2 vCPU 0'];
    const lines = render({ ...SAMPLE, steps, kept, matters: new Map([[4, 50]]) }, 120);
    expect(lines[0]).toContain('without L2 vCPU 1; only moves 3, 17 of L2 vCPU 0');
    const at = lines.findIndex((line) =>
      line.includes(`* ${SAMPLE.actors[steps[4]!.actor]}: unmap (move 17)`),
    );
    expect(lines[at + 1]).toMatch(/^ *5 /);
    expect(render(SAMPLE).join(' ')).not.toContain('moves');
  });

  it('folds a spin, whatever others do meanwhile, and says who ended it', () => {
    const lines = render(spinning(() => 1));
    const from = lines.findIndex((line) => line.startsWith('Schedule'));
    expect(lines.slice(from, from + 13).join('\n')).toBe(
      `
Schedule, 1 preemption: 29 of 29 operations matter
step  migration                             L2 vCPU 0
      --> L2 vCPU 0 goes on
   1                                        spins 12 times on vCPU 0 mode until
                                            migration changes it at step 28
      --> migration goes on
   9  <> L2[1]@0x20: none -> 3
  18  L2[1]@0x20: none -> 7
  27  L2[1]@0x20: none -> 11
  28  vCPU 0 mode: 1 -> 2
      --> L2 vCPU 0 goes on
  29                                        <> reads vCPU 0 mode: 2
      === Q35 is broken here, by migration
`.trim(),
    );
  });

  it('does not fold a loop that sees something new each time', () => {
    expect(render(spinning((round) => round)).join('\n')).not.toContain('spins');
  });

  it('says of a spin that nobody ends that it goes on to the end', () => {
    const { steps } = spinning(() => 1);
    const endless = steps.slice(0, -2).filter(({ actor }) => actor === 1);
    const text = render({
      ...SAMPLE,
      steps: endless,
      matters: new Map([[3, 50]]),
      pair: { first: 1, second: 2, instead: undefined },
    }).join('\n');
    expect(text.replaceAll(/\s+/g, ' ')).toContain('spins 12 times, to the end, on');
  });

  it('says rule, schedule, pair, state and commands', () => {
    expect(render(SAMPLE).join('\n')).toBe(
      `
Q35 is broken in nx-partial-reuse, variant late-flush, vcpus=1; without L2 vCPU
1
The rule: After a split every page still maps the same frame.
Found: entry 1 of page 39 maps nothing

Schedule, 1 preemption: 8 of 8 operations matter
step  migration                             L2 vCPU 0
      --> migration begins
   1  takes mmu_lock for write
   2  <> L2[1]@0x20: 0x28 rw- AD HM PS ->
      none
      * kvm_mmu_get_page: gfn 28 L1 direct rwx new
      --> L2 vCPU 0 goes on: migration preempted
   3                                        reads vCPU 0 requests: 0
   4                                        <> reads L2[1]@0x20: none
   5                                        tries mmu_lock, finds 255
                                            ... x2
      --> migration goes on: L2 vCPU 0 waits for mmu_lock, held by migration
   7  L2[1]@0x20: none -> table 120
   8  drops mmu_lock for write
      === Q35 is broken here, by migration

Swap these two and it passes (run and seen):
  migration, step 2: L2[1]@0x20: 0x28 rw- AD HM PS -> none
  L2 vCPU 0, step 4: reads L2[1]@0x20: none

The state that broke
  slots_lock is held by migration since step 1
  SPTE [1] of L2 direct rwx gfn 0x20 = table 120
    by migration at step 7: none -> table 120
    rmap of gfn 0x24 at level 2: empty

Shrunk.

Again
  replay  npx splitstorm replay TOKEN --no-trace
  trace   npx splitstorm replay TOKEN
`.slice(1, -1),
    );
  });

  it('has no colour where none is asked for, and the same text where it is', () => {
    const colored = renderExplanation(SAMPLE, { width: 80, color: true });
    // eslint-disable-next-line no-control-regex -- colours are control characters
    expect(colored.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''))).toEqual(render(SAMPLE));
    expect(colored).not.toEqual(render(SAMPLE));
  });

  it('leaves out what matters least when it would have more than 40 lines', () => {
    const steps = Array.from({ length: 300 }, (_, i) =>
      step(i + 1, i % 2, Op.Load64, { word: i, what: `page ${i}` }),
    );
    const matters = new Map(steps.map((_, i) => [i, i === 150 ? 99 : 10]));
    const broken = Array.from({ length: 9 }, (_, i) => ({
      name: `word ${i}`,
      value: '1',
      notes: ['a', 'b'],
    }));
    const text = 'many words '.repeat(200);
    const crowded: Explanation = {
      ...SAMPLE,
      steps,
      matters,
      broken,
      violation: { ...SAMPLE.violation, sentence: text, text },
      shrunk: 'x '.repeat(100),
    };
    const lines = render(crowded);
    expect(lines.length).toBe(MAX_LINES);
    expect(lines.at(-1)).toBe('  trace   npx splitstorm replay TOKEN');
    expect(lines.some((line) => line.includes('page 150'))).toBe(true);
    expect(lines.some((line) => line.includes('=== Q35 is broken'))).toBe(true);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('shares one column where the terminal is too narrow for one each', () => {
    const steps = STEPS.map((one) => (one.step === 3 ? { ...one, actor: 2 } : one));
    const lines = render({ ...SAMPLE, steps, broken: [], held: [] }, 40);
    expect(lines.some((line) => line.includes('migration: drops mmu_lock'))).toBe(true);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(48);
  });

  it('says how the search for a pair ended', () => {
    const { pair: _, ...none } = SAMPLE;
    const said = (tried: number, candidates: number): string =>
      render({ ...none, swapped: { tried, candidates } }, 200).join('\n');
    expect(said(0, 0)).toContain('it fails whatever the order');
    expect(said(9, 9)).toContain('No critical pair: all 9 pairs');
    expect(said(5, 9)).toContain('No critical pair: 5 of 9 pairs');
    const other = render({ ...SAMPLE, pair: { first: 2, second: 4, instead: 'D1' } }).join('\n');
    expect(other).toContain('Swap these two and it breaks D1 instead');
  });

  it('does not let a scenario steer the terminal', () => {
    const evil = { ...SAMPLE, violation: { ...SAMPLE.violation, text: 'a\u001b[2Jb\nc' } };
    expect(render(evil).join('\n')).toContain('Found: a [2Jb c');
  });
});

describe('an operation in words', () => {
  it.each([
    [STEPS[0]!, 'takes mmu_lock for write'],
    [STEPS[7]!, 'drops mmu_lock for write'],
    [STEPS[6]!, 'L2[1]@0x20: none -> table 120'],
    [STEPS[3]!, 'reads L2[1]@0x20: none'],
    [STEPS[4]!, 'tries mmu_lock, finds 255'],
    [step(9, 0, Op.Wait, { what: 'mmu_lock' }), 'waited for mmu_lock'],
    [step(9, 0, Op.Or, { what: 'vCPU 0 requests', value: 4096 }), 'or vCPU 0 requests: stays 0x1000'],
  ])('%#', (one, words) => {
    expect(stepWords(one)).toBe(words);
  });
});

describe('a step of a walk', () => {
  const view: StepView = {
    at: 3,
    last: 8,
    actors: SAMPLE.actors,
    step: STEPS[2],
    next: [STEPS[6], STEPS[3], undefined],
    changed: Array.from({ length: 30 }, (_, i) => ({ name: `word ${i}`, was: '0', value: '1' })),
    preemptions: { before: 1, all: 1 },
    violation: undefined,
    owner: 0,
  };

  it('shows what is done, what it changed as far as there is room, and what comes next', () => {
    const lines = renderStep(view, { width: 60, color: false, height: 18 });
    expect(lines.slice(0, 5)).toEqual([
      'step 3 of 8, preemption 1 of 1',
      '--> L2 vCPU 0: migration preempted',
      'L2 vCPU 0: load: reads vCPU 0 requests: 0',
      'changed: 30 words',
      '  word 0: 0 => 1',
    ]);
    expect(lines.slice(-4)).toEqual([
      '  ... 23 more',
      '  then migration: store64 L2[1]@0x20 (step 7)',
      '  then L2 vCPU 0: load64 L2[1]@0x20 (step 4)',
      '  migration holds mmu_lock for write',
    ]);
  });

  it('shows the start and the violation', () => {
    const start = renderStep(
      { ...view, at: 0, step: undefined, changed: [] },
      { width: 60, color: false, height: 18 },
    );
    expect(start[1]).toBe('the start: nobody has done anything');
    const end = renderStep({ ...view, violation: 'Q35: broken' }, { width: 60, color: false, height: 18 });
    expect(end).toContain('Q35: broken');
  });
});
