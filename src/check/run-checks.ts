/** Running state checks so that nothing in a broken machine stops them: exceptions are findings, and reports are capped. */
import type { Kvm } from '../mmu/kvm.ts';
import { beginRound, endRound } from './tdp-walk.ts';
import type { ReportBroken, StateCheck } from './types.ts';

/** Reports of one id that one round of checks makes at most. */
export const MAX_REPORTS_PER_ID = 5;

export class CheckRunner {
  private readonly reports = new Map<string, number>();
  private readonly target: ReportBroken;

  constructor(target: ReportBroken) {
    this.target = target;
  }

  private readonly capped: ReportBroken = (id, text, words) => {
    const made = this.reports.get(id) ?? 0;
    this.reports.set(id, made + 1);
    if (made < MAX_REPORTS_PER_ID) this.target(id, text, words ?? []);
  };

  /** One round. */
  run(kvm: Kvm, checks: readonly StateCheck[]): void {
    if (this.reports.size > 0) this.reports.clear();
    beginRound();
    for (const check of checks) {
      try {
        check.run(kvm, this.capped);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.capped(
          check.ids[0]!,
          `the state is too broken to be checked for ${check.ids.join(', ')}: ${why}`,
          [],
        );
      }
    }
    endRound();
  }
}
