/** What makes KVM throw translations away wholesale (kernel-facts A19, A24, A25, A27). */
import type { Cpu } from '../cpu/cpu.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { mutexLock, mutexUnlock } from '../locks/mutex.ts';
import type { Kvm } from '../mmu/kvm.ts';
import { wrapMmioGeneration } from '../mmu/memslot-change.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, MODE_MASK, REQ_MMU_RELOAD, VCPU } from '../mmu/vcpu-words.ts';
import { zapAllFast, zapGfnRange } from '../mmu/zap-all.ts';
import type { CastMember } from './cast.ts';
import type { ActorContext, CastOptions } from './context.ts';
import { playRounds } from './rounds.ts';

export const ZAP_ALL: CastMember = {
  summary: 'KVM zaps everything or a range for reasons of its own, and resets the MMU of a vCPU',
  facts: ['A19', 'A24', 'A25', 'A27', 'B-38', 'B-40'],
  moves: { zapAllFast: 2, zapGfnRange: 2, mmioWrap: 1, unload: 1 },
  run: zapAll,
};

export function* zapAll(context: ActorContext, options: CastOptions): Steps<void> {
  const { kvm, cpu } = context;
  const slots = kvm.slots.filter(({ config }) => options.slots.includes(config.id));
  yield* playRounds(context, options, {
    /** As after a change of nx_huge_pages. */
    *zapAllFast() {
      yield* mutexLock(cpu, kvm.slotsLock);
      yield* zapAllFast(kvm, cpu);
      yield* mutexUnlock(cpu, kvm.slotsLock);
    },
    /** As for a new memory type. */
    *zapGfnRange() {
      if (slots.length === 0) return;
      const slot = slots[cpu.workload.below(slots.length)]!;
      const first = cpu.workload.below(slot.npages);
      const pages = 1 + cpu.workload.below(slot.npages - first);
      yield* zapGfnRange(kvm, cpu, slot.baseGfn + first, slot.baseGfn + first + pages);
    },
    *mmioWrap() {
      yield* wrapMmioGeneration(kvm, cpu);
    },
    *unload() {
      yield* requestReload(kvm, cpu, cpu.workload.below(kvm.config.vcpus));
    },
  });
}

/** KVM_SET_SREGS or a change of CR4 or EFER makes a vCPU unload its MMU (A25): a request and a kick. */
function* requestReload(kvm: Kvm, cpu: Cpu, vcpu: number): Steps<void> {
  const words = kvm.vcpuWord(vcpu);
  if (cpu.stepped && cpu.stops(Op.Or, words + VCPU.requests)) yield;
  cpu.or(words + VCPU.requests, REQ_MMU_RELOAD);
  const mode = words + VCPU.mode;
  if (cpu.stepped && cpu.stops(Op.Load, mode)) yield;
  const seen = cpu.load(mode);
  if ((seen & MODE_MASK) !== IN_GUEST_MODE) return;
  if (cpu.stepped && cpu.stops(Op.CompareExchange, mode)) yield;
  cpu.compareExchange(mode, seen, (seen & ~MODE_MASK) | EXITING_GUEST_MODE);
}
