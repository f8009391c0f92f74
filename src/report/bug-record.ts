/** The record of a bug as text: what went wrong, when it was mended, what is to catch it. */
import type { Variant } from '../variants/define.ts';
import { wrap } from './text.ts';

const INDENT = 4;

/** A heading and its paragraph; a bug without a record has its summary only. */
export function bugRecordLines({ name, summary, bug, caughtBy, scenario }: Variant, width: number): string[] {
  const history = bug === undefined ? '' : ` (${[bug.id, String(bug.year), ...bug.fix].join(', ')})`;
  const indented = (text: string): string[] =>
    wrap(text, Math.max(20, width - INDENT)).map((line) => `${' '.repeat(INDENT)}${line}`);
  const places = [
    ...(scenario === undefined ? [] : [scenario]),
    ...(bug?.alsoFrom ?? []).map((ground) => ground.scenario),
  ];
  const where = places.length === 0 ? '' : ` in ${places.join(' and in ')}`;
  return [
    `  ${name}${history}`,
    ...indented(bug === undefined ? `${summary}.` : bug.wrong),
    ...(bug === undefined ? [] : indented(`Needs: ${bug.needs}`)),
    ...indented(`Caught by ${caughtBy.join(', ')}${where}.`),
  ];
}
