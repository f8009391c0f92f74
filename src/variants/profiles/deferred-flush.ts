/**
 * A split that drops the huge SPTE and links the child without a flush, and a pass that settles the debt just before
 * `mmu_lock` is dropped: what the text of the commit proposes (C6). The places at which that has to happen are those of
 * kernel-facts 9.4; each can be left out.
 */
import type { Engine } from '../../mmu/engine.ts';
import { flushRemoteTlbs } from '../../mmu/flush.ts';
import type { SplitPass } from '../../mmu/shadow/split-pass.ts';
import type { DebtPlace } from '../../mmu/version-steps.ts';
import type { Steps } from '../../cpu/steps.ts';

/** One flush for all the splits since the last one; the range covers whole huge pages (H-E). */
export function* payDebt(pass: SplitPass): Steps<void> {
  const { kvm, cpu, owedStart, owedEnd } = pass;
  pass.owes = false;
  yield* flushRemoteTlbs(kvm, cpu, 'split', owedStart, owedEnd - owedStart);
}

/**
 * - F1 to F4 pay. A design that forgets one of them goes on owing until it comes to another.
 * - F5 and F6 only carry the debt on: a handler that leaves a head, and a pass over one level that is done, have to say that a
 *   flush is owed. Forgotten, nobody knows.
 * - F7 is a full flush by somebody else. Forgotten, the next flush names more than it has to.
 * - F9 is the rule that nobody who takes mmu_lock meets a debt. Forgotten, the flush is made right after the lock was dropped,
 *   as that of write protection is, instead of right before.
 * - F8 is a flush while the huge SPTE is still there: it settles nothing (H-A), unless that is forgotten.
 */
function* settleDebt(pass: SplitPass, place: DebtPlace, forgets: DebtPlace | undefined): Steps<void> {
  const forgotten = place === forgets;
  switch (place) {
    case 'F1':
    case 'F2':
      if (!forgotten && forgets !== 'F9') yield* payDebt(pass);
      break;
    case 'F3':
    case 'F4':
      if (!forgotten) yield* payDebt(pass);
      break;
    case 'F9':
      if (forgotten) yield* payDebt(pass);
      break;
    case 'F5':
    case 'F6':
    case 'F8':
      if (forgotten) pass.owes = false;
      break;
    case 'F7':
      if (!forgotten) pass.owes = false;
      break;
  }
}

/** The steps of P3; `forgets` names the place that the design does not deal with. */
export const deferredFlush = (forgets?: DebtPlace): Partial<Engine> => ({
  profile: 'P3',
  splitNeedsFlush: () => false,
  splitLinked: (pass) => {
    pass.owe();
    return undefined;
  },
  settleDebt: (pass, place) => settleDebt(pass, place, forgets),
  walkYieldPages: (kvm, pagesBehind, level) => pagesBehind - 1 + kvm.pages(level),
});
