/**
 * An L2 vCPU (design 5): reads, writes and fetches by its workload through its TLB and the hardware walk, leaves guest
 * mode when it is kicked, and takes the nested page fault when the shadow tables refuse an access.
 */
import { C } from '../cpu/counters.ts';
import { Op, type Steps } from '../cpu/steps.ts';
import { RET_PF_EMULATE, RET_PF_INJECT } from '../mmu/errno.ts';
import { translate, WALK_FORBIDDEN } from '../mmu/hardware.ts';
import { KVM } from '../mmu/kvm.ts';
import { loadRoot } from '../mmu/boot.ts';
import { pageFault } from '../mmu/shadow/fault.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { tlbLookup } from '../mmu/tlb.ts';
import { tlbNeed } from '../mmu/hardware.ts';
import { enterGuest, exitGuest, Vcpu } from '../mmu/vcpu.ts';
import { IN_GUEST_MODE, MODE_MASK, VCPU } from '../mmu/vcpu-words.ts';
import type { ActorContext, Workload, WorkloadRange } from './context.ts';

/** The next access of a vCPU. */
class Access {
  root = 0;
  l2Gfn = 0;
  access = 0;
  /** True once the access was made, or L1 has to deal with it. */
  done = true;
}

export function* l2Vcpu(context: ActorContext, vcpuIndex: number, workload: Workload): Steps<void> {
  const { kvm, cpu } = context;
  const vcpu = new Vcpu(kvm, cpu, vcpuIndex);
  const next = new Access();
  const mode = vcpu.word(VCPU.mode);
  let opsLeft = workload.ops;
  const drawer = new Drawer(workload, vcpu);

  for (;;) {
    cpu.safepoint();
    if (yield* pauseOrFinish(vcpu)) return;
    if (next.done) {
      if (workload.ops > 0 && opsLeft-- === 0) break;
      drawer.draw(next);
    }
    if (next.root !== vcpu.rootIndex) yield* switchRoot(vcpu, next.root);
    if (vcpu.rootSp === 0) yield* loadRoot(vcpu, next.root);
    if (!(yield* enterGuest(vcpu))) continue;

    let refused = 0;
    for (let stay = workload.burst; ; stay--) {
      // An interrupt is taken between two instructions: that is where a kick is seen.
      if (cpu.stepped) yield cpu.at(Op.Load, mode);
      if ((cpu.load(mode) & MODE_MASK) !== IN_GUEST_MODE) break;
      let pfn = tlbLookup(vcpu, next.root, next.l2Gfn, tlbNeed(next.access));
      if (pfn < 0) pfn = yield* translate(vcpu, next.l2Gfn, next.access);
      if (pfn < 0) {
        refused = pfn;
        break;
      }
      const word = kvm.layout.memory + pfn;
      if (next.access === ACCESS_WRITE) {
        if (cpu.stepped) yield cpu.at(Op.Add, word);
        cpu.add(word, 1);
        cpu.count(C.guestWrites);
      } else {
        if (cpu.stepped) yield cpu.at(Op.Load, word);
        cpu.load(word);
        cpu.count(next.access === ACCESS_EXEC ? C.guestFetches : C.guestReads);
      }
      next.done = true;
      // A guest that runs until the migration is over cannot keep a stuck migration alive.
      if (workload.ops > 0) kvm.observer.progress(cpu);
      if (stay === 1) break;
      if (workload.ops > 0 && opsLeft === 0) break;
      opsLeft--;
      drawer.draw(next);
      if (next.root !== vcpu.rootIndex) break;
    }
    yield* exitGuest(vcpu);
    if (refused !== 0) {
      const result = yield* pageFault(vcpu, next.l2Gfn, next.access, refused === WALK_FORBIDDEN);
      if (result === RET_PF_INJECT || result === RET_PF_EMULATE) next.done = true;
    }
  }

  if (cpu.stepped) yield cpu.at(Op.Add, kvm.base + KVM.paused);
  cpu.add(kvm.base + KVM.paused, 1);
  cpu.notify(kvm.base + KVM.paused);
}

/** Goes on with another EPT12: nested VM exit and entry. */
function* switchRoot(vcpu: Vcpu, root: number): Steps<void> {
  yield* loadRoot(vcpu, root);
}

/** Out of KVM_RUN while user space asks for it. Returns true if the actor is to end. */
function* pauseOrFinish(vcpu: Vcpu): Steps<boolean> {
  const { kvm, cpu } = vcpu;
  const request = kvm.base + KVM.pauseRequest;
  const paused = kvm.base + KVM.paused;
  if (cpu.stepped) yield cpu.at(Op.Load, request);
  const asked = cpu.load(request);
  if (asked === 0) return false;
  if (cpu.stepped) yield cpu.at(Op.Add, paused);
  cpu.add(paused, 1);
  cpu.notify(paused);
  if (asked === FINISH) return true;
  if (cpu.stepped) yield cpu.at(Op.Wait, request, asked);
  cpu.wait(request, asked);
  if (cpu.stepped) yield cpu.at(Op.Add, paused);
  cpu.add(paused, -1);
  return false;
}

/** Values of the pause request. */
export const PAUSE = 1;
export const FINISH = 2;

/** Draws accesses: a range in proportion to its pages, a page in it, and what to do there. */
class Drawer {
  private readonly workload: Workload;
  private readonly vcpu: Vcpu;
  private readonly ranges: readonly WorkloadRange[];
  private readonly totals: readonly number[];
  /** Ranges of each root, so that a root is kept until it is switched. */
  private readonly byRoot: readonly (readonly number[])[];

  constructor(workload: Workload, vcpu: Vcpu) {
    this.workload = workload;
    this.vcpu = vcpu;
    this.ranges = workload.ranges;
    const roots = Math.max(...workload.ranges.map((range) => range.root)) + 1;
    this.byRoot = Array.from({ length: roots }, (_, root) =>
      workload.ranges.flatMap((range, index) => (range.root === root ? [index] : [])),
    );
    this.totals = this.byRoot.map((list) => list.reduce((sum, index) => sum + this.ranges[index]!.pages, 0));
  }

  draw(next: Access): void {
    const { workload, vcpu } = this;
    const rng = vcpu.cpu.workload;
    let root = vcpu.rootIndex;
    if (workload.rootSwitchRate > 0 && this.byRoot.length > 1 && rng.chance(workload.rootSwitchRate)) {
      root = rng.below(this.byRoot.length);
    }
    if ((this.totals[root] ?? 0) === 0) root = this.totals.findIndex((total) => total > 0);
    let page = rng.below(this.totals[root]!);
    const list = this.byRoot[root]!;
    let at = 0;
    while (page >= this.ranges[list[at]!]!.pages) page -= this.ranges[list[at++]!]!.pages;
    const range = this.ranges[list[at]!]!;
    const what = rng.next() / 4294967296;
    next.root = root;
    next.l2Gfn = range.l2Gfn + page;
    next.access =
      what < workload.writeFraction && range.write
        ? ACCESS_WRITE
        : what >= 1 - workload.execFraction && range.exec
          ? ACCESS_EXEC
          : ACCESS_READ;
    next.done = false;
  }
}
