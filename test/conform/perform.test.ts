// What a recording cannot ask of the model, and that performing one is a function of the recording.
import { describe, expect, it } from 'vitest';
import { engineNamed, profileOf } from '../../src/conform/engine-for.ts';
import { perform, type Performance } from '../../src/conform/perform.ts';
import type { Operation } from '../../src/conform/operations.ts';
import type { Recording } from '../../src/conform/recording.ts';
import { recordingText } from '../../src/conform/write.ts';
import { recordingNamed } from './fixtures.ts';

const play = (recording: Recording): Performance => perform(recording, engineNamed(profileOf(recording)));
const simple = (): Recording => recordingNamed('orig-link', 'n01-2m-single');

/** The recording with operation `op` changed. */
function changed(op: number, change: Partial<Operation>): Recording {
  const recording = simple();
  const operations = recording.operations.map((each) =>
    each.op === op ? ({ ...each, ...change } as Operation) : each,
  );
  return { ...recording, operations };
}

describe('performing a recording', () => {
  it.each(['n22-on-off-on', 't14-2vcpu-2m'])('gives the same text twice: %s', (name) => {
    const recording = recordingNamed('debian-stock', name);
    expect(recordingText(play(recording).recording)).toBe(recordingText(play(recording).recording));
  });

  it.each<[string, number, Partial<Operation>, RegExp]>([
    ['a slot that is not there', 6, { slot: 7 }, /operation 6: there is no slot 7/],
    ['a slot that setup lacks', 1, { id: 9 }, /operation 1: slot 9 is not in setup/],
    ['a vCPU that is not there', 4, { vcpu: 3 }, /operation 4: there is no vCPU 3/],
    ['an address that L1 does not map', 4, { address: 0x7000_0000 }, /0x70000000: L1's tables forbid it/],
  ])('stops at %s, and says where', (_what, op, change, says) => {
    const { stopped } = play(changed(op, change));
    expect(stopped?.op).toBe(op);
    expect(stopped?.text).toMatch(says);
  });

  it('refuses a root that is not in setup before it begins', () => {
    expect(() => play(changed(4, { root: 'Z' }))).toThrow('operation 4: there is no NPT12 root "Z"');
  });

  it('refuses more roots than a vCPU keeps', () => {
    const recording = simple();
    const access = recording.operations.find(({ type }) => type === 'access')!;
    const names = ['B', 'C', 'D', 'E'];
    const npt12_roots = [
      ...recording.setup.npt12_roots,
      ...names.map((name) => ({ ...recording.setup.npt12_roots[0]!, name })),
    ];
    const operations = [...recording.operations, ...names.map((root) => ({ ...access, root }) as Operation)];
    const asked = { ...recording, setup: { ...recording.setup, npt12_roots }, operations };
    expect(() => play(asked)).toThrow('L2 runs on 5 different roots');
  });

  it('refuses a kernel that nobody knows', () => {
    const { kernel } = simple();
    expect(() => profileOf({ kernel: { ...kernel, variant: 'mine' } })).toThrow('name one with --variant');
    expect(profileOf({ kernel: { ...kernel, variant: 'p1+desc-6.4' } })).toBe('p1+desc-6.4');
  });
});
