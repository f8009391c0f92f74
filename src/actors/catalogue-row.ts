/** One row of the catalogue of actors (src/actors/catalogue.ts). */

/** A counter that must move in a shipped scenario at its defaults. */
export type Witness = readonly [scenario: string, counter: string];

export interface ActorRow {
  /** A1 to A28. */
  readonly id: string;
  readonly who: string;
  /** Files of the row, without `src/` and `.ts`. */
  readonly files: readonly string[];
  readonly locks: string;
  readonly yields: string;
  readonly flush: string;
  /** Sections and ids of kernel-facts that were followed. */
  readonly facts: string;
  readonly simplified: string;
  readonly witnesses: readonly Witness[];
  /** Test files, without `test/` and `.test.ts`. */
  readonly tests: readonly string[];
}

export const NOTHING = 'nothing';
