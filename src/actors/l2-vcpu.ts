/**
 * An L2 vCPU (design 5): reads, writes and fetches by its workload; src/actors/run-vcpu.ts is the rest of it.
 */
import type { Steps } from '../cpu/steps.ts';
import { faultsForNothing } from '../mmu/environment.ts';
import { ACCESS_EXEC, ACCESS_READ, ACCESS_WRITE } from '../mmu/shadow/walk-addr.ts';
import { Vcpu } from '../mmu/vcpu.ts';
import type { ActorContext, Workload, WorkloadRange } from './context.ts';
import { Access, runVcpu, type Guest } from './run-vcpu.ts';

export function l2Vcpu(context: ActorContext, vcpuIndex: number, workload: Workload): Steps<void> {
  const vcpu = new Vcpu(context.kvm, context.cpu, vcpuIndex);
  return runVcpu(vcpu, new L2Guest(workload, vcpu));
}

interface Roots {
  /** Ranges of each root, so that a root is kept until it is switched. */
  readonly byRoot: readonly (readonly number[])[];
  /** Pages of each root. */
  readonly totals: readonly number[];
}

/** Each workload is looked at once, not in every schedule. */
const known = new WeakMap<Workload, Roots>();

function rootsOf(workload: Workload): Roots {
  const seen = known.get(workload);
  if (seen !== undefined) return seen;
  const { ranges } = workload;
  const byRoot = Array.from({ length: Math.max(...ranges.map(({ root }) => root)) + 1 }, (_, root) =>
    ranges.flatMap((range, index) => (range.root === root ? [index] : [])),
  );
  const roots = {
    byRoot,
    totals: byRoot.map((list) => list.reduce((sum, index) => sum + ranges[index]!.pages, 0)),
  };
  known.set(workload, roots);
  return roots;
}

/** Draws accesses: a range in proportion to its pages, a page in it, and what to do there. */
class L2Guest implements Guest {
  readonly next = new Access();
  readonly burst: number;
  readonly bounded: boolean;
  private readonly workload: Workload;
  private readonly vcpu: Vcpu;
  private readonly ranges: readonly WorkloadRange[];
  private readonly totals: readonly number[];
  private readonly byRoot: readonly (readonly number[])[];

  constructor(workload: Workload, vcpu: Vcpu) {
    this.workload = workload;
    this.vcpu = vcpu;
    this.burst = workload.burst;
    this.bounded = workload.ops > 0;
    this.ranges = workload.ranges;
    const { byRoot, totals } = rootsOf(workload);
    this.byRoot = byRoot;
    this.totals = totals;
  }

  advance(): boolean {
    const { workload, vcpu, next } = this;
    if (!vcpu.cpu.nextMove(workload.ops)) return false;
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
    next.spurious = faultsForNothing(vcpu);
    next.done = false;
    return true;
  }
}
