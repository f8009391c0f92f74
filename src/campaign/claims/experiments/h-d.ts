import type { StepCheckFamily } from '../../../check/types.ts';
import { isShadowPresent } from '../../../mmu/format.ts';
import { Observer } from '../../../mmu/observer.ts';
import { confirmed, defineExperiment, open, refuted, type ProveSetting } from '../define.ts';

/** Counts splits whose huge SPTE got D from hardware after it was copied for the children and before it was dropped. */
class Stale {
  splits = 0;
  missing = 0;
  readonly family: StepCheckFamily = {
    ids: [],
    make: (kvm) => {
      let dropped = 0;
      let droppedLo = 0;
      return Object.assign(new Observer(), {
        begin: () => {},
        atEnd: () => {},
        spteChanged: (...[, sptep, oldLo, , lo]: Parameters<Observer['spteChanged']>) => {
          if (isShadowPresent(lo)) return;
          dropped = sptep;
          droppedLo = oldLo;
        },
        splitLinked: (...[, sptep, , lo]: Parameters<Observer['splitLinked']>) => {
          this.splits++;
          if (sptep === dropped && (droppedLo & ~lo & kvm.format.dirtyLo) !== 0) this.missing++;
        },
      });
    },
  };
}

/** H-D: children take A and D from a snapshot of the huge SPTE. */
export default defineExperiment({
  id: 'H-D',
  claim:
    'The stale A and D bits in the children of a split would lose writes if nested pages were tracked by D bits.',
  facts: ['9.3', '3.10', 'B-03', 'B-10', 'D11', 'Q45'],
  // What it takes for the stale bits to matter: D is left to hardware, and the last flush to what the pass has found.
  control: { variant: 'born-clean+b-03-conditional-enable-flush', verdict: 'confirmed' },
  async run(lab) {
    // The marking itself is what Q31 is about; Q49 asks for a flush before it is due, at the end of the ioctl.
    const without = ['D24', 'Q31', 'Q49'];
    const tiny = { scenario: 'tiny-split', without, preemptions: 2, atMost: 20_000 };
    const parameters = { pml: 3, wasRead: true };
    const log = 'nested-pml';
    const all = (setting: Partial<ProveSetting>) =>
      lab.prove({ ...tiny, parameters, variant: log, ...setting });

    const stale = new Stale();
    const kvm = await all({ checks: [stale.family] });
    const lazily = await all({ parameters: { ...parameters, eager: false } });
    if (lazily.failure !== undefined)
      return open('The log by D bits does not work without eager splits either.', {
        witnesses: [lazily.failure],
      });
    if (kvm.failure !== undefined) {
      return confirmed(
        `${kvm.failure.check} is broken in the smallest machine, and without the split nothing is in all ${lazily.schedules} schedules with two preemptions.`,
        { witnesses: [kvm.failure] },
      );
    }

    const bornStale = new Stale();
    const bornClean = `${log}+born-clean`;
    const flushed = await all({ variant: bornClean, checks: [bornStale.family] });
    const unflushed = await all({ variant: `${bornClean}+b-03-conditional-enable-flush` });
    const many = await lab.explore({ scenario: 'pml', variant: log, without, schedules: 200 });
    const figures = {
      'splits that miss a D': stale.missing,
      'of splits': stale.splits,
      'splits that miss a D, if D is left to hardware': bornStale.missing,
      'of splits, if D is left to hardware': bornStale.splits,
    };
    const failure = flushed.failure ?? many.failure;
    if (failure !== undefined)
      return confirmed('A write is lost, though only by a design that KVM is not.', {
        figures,
        witnesses: [failure],
      });
    if (unflushed.failure === undefined || bornStale.missing === 0 || !kvm.complete || !flushed.complete)
      return open('The machine does not show what becomes of a stale bit.', { figures });
    return refuted(
      `With a log by D bits that works for L2 (PML that knows L1's gfns), all ${kvm.schedules} schedules of one split against one write with two preemptions, and ` +
        `${many.schedules} random ones of a migration, lose nothing. make_spte() gives a writable entry D at once, so that a huge one has none to gain. Were D left to ` +
        `hardware, a split would miss it, and the flush that ends the ioctl make up for it (all ${flushed.schedules} schedules). Only if that flush depends on what was ` +
        `found, as before 6.0, is a page left writable and unlogged (${unflushed.failure.check}, ${unflushed.failure.preemptions} preemption).`,
      { figures, witnesses: [unflushed.failure] },
    );
  },
});
