// Every place at which KVM, or the host for it, allocates: each can fail by itself, answers as the kernel would, and leaves
// a machine that goes on (kernel-facts 2.3, 3.6, 4.2; issue: faults of the environment).
import { describe, expect, it } from 'vitest';
import { ALL_STATE_CHECKS } from '../../src/check/all.ts';
import { C } from '../../src/cpu/counters.ts';
import { loadRoot } from '../../src/mmu/boot.ts';
import { enableDirtyLogging, isLogged } from '../../src/mmu/dirty-log.ts';
import { EAGAIN, ENOMEM, RET_PF_EMULATE, RET_PF_FIXED } from '../../src/mmu/errno.ts';
import { guestFault } from '../../src/mmu/guest-fault.ts';
import { migratePages } from '../../src/mmu/host/host-memory.ts';
import { cacheCount, splitCaches } from '../../src/mmu/memory-cache.ts';
import { createMemslot, deleteMemslot, moveMemslot } from '../../src/mmu/memslot-change.ts';
import { mutexLock } from '../../src/locks/mutex.ts';
import { unloadMmu } from '../../src/mmu/roots.ts';
import { topupSplitCaches } from '../../src/mmu/shadow/split-steps.ts';
import { ACCESS_WRITE } from '../../src/mmu/shadow/walk-addr.ts';
import { ROOT_L1, VCPU } from '../../src/mmu/vcpu-words.ts';
import { RandomWalk } from '../../src/explore/strategies/random-walk.ts';
import kitchenSink from '../../scenarios/kitchen-sink.ts';
import { runtimeOf } from '../check/judged-run.ts';
import { Bench, identity, leaves, machineOf, type Given } from '../support/machines.ts';
import { findings } from '../support/q-machine.ts';
import { castMachine, EXTRA_PAGES } from '../support/vm-wide.ts';

const RATES: Given = { enomemRate: 0.5, allocFailRate: 0.5 };
const MOVED = [{ pages: EXTRA_PAGES }, { pages: EXTRA_PAGES, gone: true, sharesMemoryOf: 2 }];

/** A machine whose `nth` allocation fails, counted from now on, and no other; how many there were. */
function failing(bench: Bench, nth: number): { asked: number } {
  const seen = { asked: 0 };
  bench.cpu.chance = (p) => p === 0.5 && seen.asked++ === nth;
  return seen;
}

/** Nothing fails before `failing` says so. */
function calm(bench: Bench): Bench {
  bench.cpu.chance = () => false;
  return bench;
}
const plain = (given: Given = {}): Bench =>
  calm(new Bench(machineOf(identity(2, []), { backing: '2m', l1Vcpus: 1, ...RATES, ...given })));
const withSlots = (cast: Parameters<typeof castMachine>[0] = []): Bench =>
  calm(new Bench(castMachine(cast, { vcpus: 1, ...RATES }, { extraSlots: MOVED })));
const unharmed = ({ kvm }: Bench): void => {
  expect(findings(kvm, ALL_STATE_CHECKS)).toEqual([]);
};

describe('a topup of a split cache that fails', () => {
  const drained = (): Bench => {
    const bench = plain();
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    return bench;
  };

  it.each([
    ['descriptors', 0, [false, false, false]],
    ['headers', 1, [true, false, false]],
    ['tables', 2, [true, true, false]],
  ] as const)('at the %s answers -ENOMEM and keeps what came before', (_what, nth, filled) => {
    const bench = drained();
    const { kvm, cpu } = bench;
    const caches = splitCaches(kvm, 0);
    for (const cache of [caches.desc, caches.header, caches.table]) kvm.arena.put(cache, 0);
    failing(bench, nth);
    bench.run(mutexLock(cpu, kvm.slotsLock));
    // The allocator gives out nothing more before it refuses.
    cpu.choose = () => 0;
    expect(topupSplitCaches(kvm, cpu, caches)).toBe(ENOMEM);
    expect([caches.desc, caches.header, caches.table].map((cache) => cacheCount(kvm, cache) > 0)).toEqual(
      filled,
    );
    expect(bench.counter('injectedEnomem')).toBe(1);
  });

  it('half way is a success if the minimum is there', () => {
    const bench = drained();
    const { kvm, cpu } = bench;
    const caches = splitCaches(kvm, 0);
    bench.run(mutexLock(cpu, kvm.slotsLock));
    topupSplitCaches(kvm, cpu, caches);
    const { header } = caches;
    // What a cache loses must be somewhere, or Q53 asks for it; here nobody does.
    kvm.arena.put(header, 0);
    failing(bench, 0);
    cpu.choose = () => 3;
    expect([topupSplitCaches(kvm, cpu, caches), cacheCount(kvm, caches.header)]).toEqual([0, 3]);
  });

  it('leaves the page huge, and the pass goes on with the next head', () => {
    const bench = new Bench(machineOf(identity(2), { backing: '2m', ...RATES }));
    const { kvm, cpu } = bench;
    // The first is the bitmap's.
    failing(bench, 1);
    cpu.choose = () => 0;
    expect(bench.run(enableDirtyLogging(kvm, cpu, bench.slot))).toBe(0);
    expect(bench.errnos()).toEqual([ENOMEM, EAGAIN, 0, 0, 0]);
    expect([leaves(kvm, 2).length, bench.counter('splitEnomem')]).toEqual([1, 1]);
    unharmed(bench);
  });
});

function fault(bench: Bench, root: number, index: number, gfn: number): number {
  const vcpu = bench.vcpu(index);
  bench.kvm.arena.put(vcpu.word(VCPU.root), root);
  return bench.run(guestFault(vcpu, gfn, ACCESS_WRITE, false));
}

/** 1 if the vCPU has the root afterwards, else 0. */
function reload(bench: Bench, root: number, index: number): number {
  const vcpu = bench.vcpu(index);
  bench.run(loadRoot(vcpu, root));
  return vcpu.rootSp === 0 ? 0 : 1;
}

function forget(bench: Bench, index: number): void {
  bench.run(unloadMmu(bench.vcpu(index)));
}

interface Site {
  readonly machine: () => Bench;
  readonly before?: (bench: Bench) => void;
  readonly act: (bench: Bench) => number;
  /** Allocations in it, each of which fails once. */
  readonly sites: number;
  readonly fails: number;
  readonly succeeds: number;
  /** What is done goes on to allocate in places that have tests of their own. */
  readonly andMore?: boolean;
}

const SITES: Readonly<Record<string, Site>> = {
  "the caches of a fault of L2's": {
    machine: () => plain(),
    act: (bench) => fault(bench, 0, 0, bench.slot.baseGfn),
    sites: 4,
    fails: ENOMEM,
    succeeds: RET_PF_FIXED,
  },
  "the caches of a fault of L1's, TDP MMU": {
    machine: () => plain(),
    act: (bench) => fault(bench, ROOT_L1, bench.kvm.config.vcpus - 1, bench.slot.baseGfn),
    sites: 2,
    fails: ENOMEM,
    succeeds: RET_PF_FIXED,
  },
  "the caches of a fault of L1's, legacy MMU": {
    machine: () => plain({ tdpMmu: false, eager: false }),
    act: (bench) => fault(bench, ROOT_L1, bench.kvm.config.vcpus - 1, bench.slot.baseGfn),
    sites: 4,
    fails: ENOMEM,
    succeeds: RET_PF_FIXED,
  },
  'the caches of a fault on MMIO': {
    machine: () => withSlots(),
    before: (bench) => {
      bench.run(deleteMemslot(bench.kvm, bench.cpu, bench.kvm.slots[2]!));
      forget(bench, 0);
      reload(bench, 0, 0);
    },
    act: (bench) => fault(bench, 0, 0, bench.kvm.slots[2]!.baseGfn),
    sites: 4,
    fails: ENOMEM,
    succeeds: RET_PF_EMULATE,
  },
  'a root of EPT02': {
    machine: () => plain(),
    before: (bench) => forget(bench, 0),
    act: (bench) => reload(bench, 0, 0),
    sites: 3,
    fails: 0,
    succeeds: 1,
  },
  'a root of EPT01': {
    machine: () => plain(),
    before: (bench) => forget(bench, bench.kvm.config.vcpus - 1),
    act: (bench) => reload(bench, ROOT_L1, bench.kvm.config.vcpus - 1),
    sites: 2,
    fails: 0,
    succeeds: 1,
  },
  'the dirty bitmap': {
    machine: () => plain(),
    act: (bench) => {
      const result = bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
      expect(isLogged(bench.kvm, bench.slot)).toBe(result === 0);
      return result;
    },
    // The first allocation is the bitmap's; those of the split are above.
    sites: 1,
    fails: ENOMEM,
    succeeds: 0,
    andMore: true,
  },
  'the INVALID copy of a slot that is deleted': {
    machine: () => withSlots(),
    act: (bench) => bench.run(deleteMemslot(bench.kvm, bench.cpu, bench.kvm.slots[2]!)),
    sites: 1,
    fails: ENOMEM,
    succeeds: 0,
  },
  'the arrays of a slot that is created': {
    machine: () => withSlots(),
    before: (bench) => void bench.run(deleteMemslot(bench.kvm, bench.cpu, bench.kvm.slots[2]!)),
    act: (bench) => bench.run(createMemslot(bench.kvm, bench.cpu, bench.kvm.slots[2]!)),
    sites: 1,
    fails: ENOMEM,
    succeeds: 0,
  },
  'a slot that is moved': {
    machine: () => withSlots(),
    act: ({ kvm, cpu, run }) => {
      const [from, to] = [kvm.slots[2]!, kvm.slots[3]!];
      const result = run(moveMemslot(kvm, cpu, from, to));
      expect([from.gone, to.gone]).toEqual([result === 0, result !== 0]);
      return result;
    },
    sites: 2,
    fails: ENOMEM,
    succeeds: 0,
  },
  'the frame that a page moves to': {
    machine: () => withSlots([{ kind: 'mmu-notifier' }]),
    act: (bench) => {
      const before = bench.counter('pagesMoved');
      const { baseGfn } = bench.slot;
      bench.run(migratePages(bench.kvm, bench.cpu, bench.slot, baseGfn, baseGfn + 1));
      return bench.counter('pagesMoved') - before;
    },
    sites: 1,
    fails: 0,
    succeeds: 1,
  },
};

describe.each(Object.entries(SITES))('%s', (_what, site) => {
  it.each(Array.from({ length: site.sites }, (_, nth) => nth))(
    'may find no memory at allocation %i, and then works',
    (nth) => {
      const bench = site.machine();
      site.before?.(bench);
      const seen = failing(bench, nth);
      expect(site.act(bench)).toBe(site.fails);
      expect([seen.asked, bench.counter('injectedEnomem')]).toEqual([nth + 1, 1]);
      unharmed(bench);
      expect(site.act(bench)).toBe(site.succeeds);
      unharmed(bench);
    },
  );

  it('has no more of them than these', () => {
    const bench = site.machine();
    site.before?.(bench);
    const seen = failing(bench, site.sites);
    const result = site.act(bench);
    const asked = site.andMore === true ? site.sites : seen.asked;
    expect([result, asked]).toEqual([site.succeeds, site.sites]);
  });
});

describe('the table of a split of the TDP MMU', () => {
  const mapped = (): Bench => {
    const bench = plain();
    const vcpu = bench.kvm.config.vcpus - 1;
    for (const page of [0, 4]) fault(bench, ROOT_L1, vcpu, bench.slot.baseGfn + page);
    return bench;
  };

  // The bitmap, then two tables; the shadow part has nothing to split.
  it('that cannot be had under the lock is allocated without it', () => {
    const bench = mapped();
    failing(bench, 1);
    const releases = bench.cpu.mmuReleases;
    bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot));
    expect([bench.counter('tdpSplits'), bench.counter('tdpSplitEnomem')]).toEqual([2, 0]);
    expect(bench.cpu.mmuReleases - releases).toBeGreaterThan(0);
    unharmed(bench);
  });

  it('that cannot be had at all ends the pass with -ENOMEM, and the pages stay huge', () => {
    const bench = mapped();
    let asked = 0;
    bench.cpu.chance = (p) => p === 0.5 && asked++ > 0;
    expect(bench.run(enableDirtyLogging(bench.kvm, bench.cpu, bench.slot))).toBe(0);
    expect([bench.counter('tdpSplits'), bench.counter('tdpSplitEnomem')]).toEqual([0, 1]);
    unharmed(bench);
  });
});

describe('the kitchen sink', () => {
  it('survives a host that is short of memory everywhere', () => {
    const runtime = runtimeOf(kitchenSink, {
      parameters: { enomemRate: 0.15, allocFailRate: 0.5, swarm: 0 },
    });
    const ended: string[] = [];
    for (let schedule = 0; schedule < 12; schedule++) {
      const { violations } = runtime.run(new RandomWalk(7), 7, schedule);
      ended.push(...violations.map(({ id, text }) => `${id} ${text}`));
    }
    expect(ended).toEqual([]);
    const count = (at: number): number => runtime.cpus.reduce((sum, cpu) => sum + cpu.counters[at]!, 0);
    expect(count(C.injectedEnomem)).toBeGreaterThan(50);
    expect(count(C.migrations)).toBeGreaterThan(8);
  });
});
