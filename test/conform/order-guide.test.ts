// Whose turn it is, by the events of a recording with two threads.
import { describe, expect, it } from 'vitest';
import { HELD_MMU_WRITE, type Cpu } from '../../src/cpu/cpu.ts';
import type { RecordedEvent } from '../../src/conform/events.ts';
import { OrderGuide } from '../../src/conform/order-guide.ts';
import { walkProgress } from '../../src/conform/walk-progress.ts';
import { recordingNamed } from './fixtures.ts';

const fault = (page: number): RecordedEvent => ({
  t: 0,
  op: 1,
  task: 'vcpu-thread',
  type: 'kvm_page_fault',
  vcpu: 1,
  address: (page * 4096).toString(16),
  error_code: '100000006',
});
const flush: RecordedEvent = { t: 0, op: 1, type: 'probe_flush' };
const yielded: RecordedEvent = { t: 0, op: 1, type: 'probe_cond_resched_write', ret: 1 };
const guideOf = (events: RecordedEvent[]): OrderGuide =>
  new OrderGuide({ ...recordingNamed('debian-stock', 't01-2m-single'), events }, 1);

describe('the guide of two threads', () => {
  it('wants them in the order of the recording, and nobody for later operations', () => {
    const guide = guideOf([fault(5), flush, { ...flush, op: 2 }]);
    expect([guide.wants(1), guide.next('background')?.page]).toEqual(['background', 5]);
    guide.tell('background', 'kvm_page_fault');
    expect(guide.wants(1)).toBe('main');
    guide.tell('main', 'probe_flush');
    expect([guide.wants(1), guide.wants(2)]).toEqual([undefined, 'main']);
  });

  it('does not count what the recording cannot tell', () => {
    const guide = guideOf([flush, fault(5)]);
    guide.tell('main', 'probe_try_one');
    expect(guide.wants(1)).toBe('main');
  });

  it('takes a yield at its place, and holds it for over when the lock is held again', () => {
    const guide = guideOf([fault(5), yielded, fault(6)]);
    const cpu = { held: HELD_MMU_WRITE, mmuReleases: 0 };
    expect(guide.takesYield(cpu as Cpu, 0)).toBe(true);
    guide.tell('background', 'kvm_page_fault');
    cpu.held = 0;
    cpu.mmuReleases = 1;
    expect(guide.wants(1)).toBe('main');
    cpu.held = HELD_MMU_WRITE;
    expect(guide.wants(1)).toBe('background');
    expect(guide.takesYield(cpu as Cpu, 0)).toBe(false);
  });
});

describe('the progress of a write-protecting walk', () => {
  it('is at least where a page stayed writable that a fault had mapped during a yield', () => {
    const recording = recordingNamed('orig-link', 'n18-2vcpu');
    const known = [...walkProgress(recording).values()];
    expect(known.length).toBeGreaterThan(0);
    expect(known).toEqual([...known].sort((a, b) => a - b));
  });
});
