/** Remote TLB flushes: request, mode, kick, acknowledge (kernel-facts 5.5). */
import type { Cpu } from '../cpu/cpu.ts';
import { C, type CounterName } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { publishRange } from './flush-range.ts';
import type { Kvm } from './kvm.ts';
import type { FlushReason } from './observer.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  MODE_MASK,
  OUTSIDE_GUEST_MODE,
  READING_SHADOW_PAGE_TABLES,
  REQ_TLB_FLUSH,
  VCPU,
} from './vcpu-words.ts';

const REASON_COUNTER: Record<FlushReason, CounterName> = {
  split: 'flushSplit',
  'end-of-ioctl': 'flushEndOfIoctl',
  fault: 'flushFault',
  zap: 'flushZap',
  'write-protect': 'flushWriteProtect',
  recycle: 'flushRecycle',
  'log-off': 'flushLogOff',
  notifier: 'flushNotifier',
  age: 'flushAge',
  sync: 'flushSync',
  tdp: 'flushTdp',
  'nx-recovery': 'flushNxRecovery',
  memslot: 'flushMemslot',
};

/**
 * kvm_flush_remote_tlbs(), or with a range kvm_flush_remote_tlbs_range(): what a range backend is handed (5.5); on bare
 * metal every flush is full. The gfns are L1's. `pages` 0 asks for everything.
 */
export function flushRemoteTlbs(kvm: Kvm, cpu: Cpu, reason: FlushReason, gfn = 0, pages = 0): Steps<void> {
  cpu.count(C.flushes);
  cpu.count(C[REASON_COUNTER[reason]]);
  kvm.observer.flush(cpu, reason, gfn, pages);
  if (pages === 0 || kvm.config.flushBackend === 'full') return makeAllCpusRequest(kvm, cpu, REQ_TLB_FLUSH);
  cpu.count(C.flushRanges);
  return flushRange(kvm, cpu, gfn, pages);
}

/** Tells each vCPU the range and asks it to flush. */
function* flushRange(kvm: Kvm, cpu: Cpu, gfn: number, pages: number): Steps<void> {
  for (let vcpu = 0; vcpu < kvm.config.vcpus; vcpu++) {
    const request = yield* publishRange(kvm, cpu, vcpu, gfn, pages);
    const word = kvm.vcpuWord(vcpu) + VCPU.requests;
    if (cpu.stepped && cpu.stops(Op.Or, word)) yield;
    cpu.or(word, request);
  }
  yield* kickAllCpus(kvm, cpu);
}

/** kvm_make_all_cpus_request() with KVM_REQUEST_WAIT: returns once no vCPU can still use what it had cached. */
export function* makeAllCpusRequest(kvm: Kvm, cpu: Cpu, request: number): Steps<void> {
  const { vcpus } = kvm.config;
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const word = kvm.vcpuWord(vcpu) + VCPU.requests;
    if (cpu.stepped && cpu.stops(Op.Or, word)) yield;
    cpu.or(word, request);
  }
  yield* kickAllCpus(kvm, cpu);
}

/** kvm_vcpu_kick() of all that are in the guest, and the wait for each of them. */
function* kickAllCpus(kvm: Kvm, cpu: Cpu): Steps<void> {
  const { vcpus } = kvm.config;
  // All requests are visible before the first mode is read: the pairing of kernel-facts 10.4.
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    const word = kvm.vcpuWord(vcpu) + VCPU.mode;
    for (;;) {
      if (cpu.stepped && cpu.stops(Op.Load, word)) yield;
      const seen = cpu.load(word);
      if ((seen & MODE_MASK) === OUTSIDE_GUEST_MODE) break;
      if ((seen & MODE_MASK) === READING_SHADOW_PAGE_TABLES) {
        // Interrupts are off in a lockless walk: the acknowledgement waits for its end (5.5).
        if (cpu.stepped && cpu.stops(Op.Wait, word, seen)) yield;
        cpu.wait(word, seen);
        continue;
      }
      const exiting = (seen & ~MODE_MASK) | EXITING_GUEST_MODE;
      if ((seen & MODE_MASK) === IN_GUEST_MODE) {
        if (cpu.stepped && cpu.stops(Op.CompareExchange, word)) yield;
        if (cpu.compareExchange(word, seen, exiting) !== seen) continue;
        cpu.count(C.flushIpis);
      }
      if (cpu.stepped && cpu.stops(Op.Wait, word, exiting)) yield;
      cpu.wait(word, exiting);
      break;
    }
  }
}
