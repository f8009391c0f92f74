/** Properties are checked with a fixed seed: a test run is a function of the code. */
import * as fc from 'fast-check';

export function holds<T>(property: fc.IProperty<T>, numRuns = 100): void {
  fc.assert(property, { seed: 20_261_122, numRuns });
}
