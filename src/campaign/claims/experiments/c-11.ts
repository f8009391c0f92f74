import { ENOMEM } from '../../../mmu/errno.ts';
import type { StepCheckFamily } from '../../../check/types.ts';
import { cacheCount, cacheTopup, splitCaches, splitDescMin } from '../../../mmu/memory-cache.ts';
import { Observer } from '../../../mmu/observer.ts';
import { defineVariant, type Variant } from '../../../variants/define.ts';
import { confirmed, defineExperiment, open, refuted } from '../define.ts';

/** Notes the most descriptors that one split has taken from its cache. */
class Taken {
  most = 0;
  allowed = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: (kvm) => {
      const { desc } = splitCaches(kvm, 0);
      this.allowed = splitDescMin(kvm.entries);
      let before = 0;
      return Object.assign(new Observer(), {
        begin: () => {},
        atEnd: () => {},
        splitChild: () => {
          before = cacheCount(kvm, desc);
        },
        splitLinked: () => {
          this.most = Math.max(this.most, before - cacheCount(kvm, desc));
        },
      });
    },
  };
}

/** A cache that holds `spare` descriptors more than 513 when a split begins, and none beyond: KVM's has 40 to spare. */
const cacheOf = (spare: number): Variant =>
  defineVariant({
    name: `cache-of-${spare < 0 ? '512' : '513'}`,
    summary: 'the descriptor cache holds no more than its minimum',
    kind: 'idea',
    facts: ['C11'],
    caughtBy: [],
    apply: (base) => ({
      needTopupSplitCachesOrResched: (kvm, cpu, caches) => {
        const enough = cacheCount(kvm, caches.desc) >= splitDescMin(kvm.entries) + spare;
        const wanted = base.needTopupSplitCachesOrResched(kvm, cpu, caches);
        return spare < 0 ? !enough || cacheCount(kvm, caches.header) < 1 : wanted;
      },
      topupSplitCaches: (kvm, cpu, caches) => {
        const most = splitDescMin(kvm.entries) + spare;
        cacheTopup(kvm, caches.desc, kvm.descPool, most, most);
        const header = cacheTopup(kvm, caches.header, kvm.headerPool, 1, 1);
        const table = cacheTopup(kvm, caches.table, kvm.tablePool, 1, 1);
        kvm.observer.topup(cpu, true, 0);
        return header && table ? 0 : ENOMEM;
      },
    }),
  });

/** C11: 513 descriptors are enough for the worst case of one split, and 512 are not. */
export default defineExperiment({
  id: 'C11',
  claim:
    'A split never needs more than 513 descriptors: one for each new rmap entry and one for the parent list.',
  facts: ['9.2', '2.3'],
  control: { variant: cacheOf(-1), verdict: 'refuted' },
  async run(lab) {
    // D13 counts how often a cache as large as KVM's has to be filled.
    const worst = { scenario: 'tiny-descriptors', variant: [cacheOf(0)], without: ['D13'] };
    const small = new Taken();
    const full = new Taken();
    const searches = [
      await lab.prove({ ...worst, checks: [small.family], preemptions: 1, atMost: 20_000 }),
      await lab.explore({
        ...worst,
        parameters: { memory: '2M', tableBits: 9 },
        checks: [full.family],
        schedules: 4,
      }),
      await lab.explore({ scenario: 'descriptor-pressure', schedules: 300 }),
      await lab.explore({ scenario: 'alias-mixed-access', schedules: 300 }),
    ];
    const failure = searches.find((search) => search.failure !== undefined)?.failure;
    if (failure !== undefined)
      return refuted('A split may begin with fewer than it needs.', { witnesses: [failure] });
    const figures = {
      'taken by the worst split of 512 entries': full.most,
      'minimum before a split': full.allowed,
    };
    if (full.most !== full.allowed || small.most !== small.allowed)
      return open('The worst case was not met: no split took all that the cache holds at least.', {
        figures,
      });
    return confirmed(
      'With a cache of 513 the worst case takes exactly that, in tables of 4 entries (one access at the same time, all schedules with one preemption) and of 512; no cache ran dry. ' +
        'More there cannot be: a list takes at most one descriptor per entry that is added.',
      { figures },
    );
  },
});
