/** What a clean campaign has done so far: a file of JSON lines, one per finished part, and the table made of it. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** What a part is asked to do. */
export interface PartOrder {
  readonly scenario: string;
  readonly variant: string;
  readonly seed: string;
  /** Number of its first schedule. */
  readonly from: number;
  /** Schedules at most. */
  readonly schedules: number;
  /** Processor time at most, in milliseconds. */
  readonly cpuMs: number;
}

export interface PartViolation {
  readonly id: string;
  readonly text: string;
  readonly schedule: number;
  readonly token: string;
}

/** What a part did. */
export interface Part extends Omit<PartOrder, 'cpuMs'> {
  /** Visible operations. */
  readonly steps: number;
  /** Schedules cut off at the step limit. */
  readonly truncated: number;
  /** Schedules whose second run differed. */
  readonly diverged: number;
  readonly hash: string;
  /** Processor time taken, in milliseconds. */
  readonly cpuMs: number;
  readonly violations: readonly PartViolation[];
}

/** A part in the file, with where its code stood and when. */
export interface Recorded extends Part {
  readonly revision: string;
  readonly finished: string;
}

/** @throws Error naming the line that is no part */
export function readParts(file: string): Recorded[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, i): Recorded[] => {
    if (line === '') return [];
    try {
      const part = JSON.parse(line) as Recorded;
      if (typeof part.scenario !== 'string' || !Number.isInteger(part.schedules)) throw new Error('no part');
      return [part];
    } catch {
      // A campaign that was killed may leave half a line at the end: that part counts as not done.
      if (i === lines.length - 1) return [];
      throw new Error(`${file}, line ${i + 1}: not a part of a campaign`);
    }
  });
}

export const appendPart = (file: string, part: Recorded): void =>
  appendFileSync(file, `${JSON.stringify(part)}\n`);

const count = (value: number): string => value.toLocaleString('en-US');
const sum = (parts: readonly Recorded[], of: (part: Recorded) => number): number =>
  parts.reduce((total, part) => total + of(part), 0);

/** Markdown: one row per scenario, a column of schedules per variant; then every violation with its token. */
export function campaignTable(parts: readonly Recorded[], variants: readonly string[]): string {
  const lines = [
    `| scenario | ${variants.map((variant) => `schedules ${variant}`).join(' | ')} | visible operations | processor time | violations |`,
    `|---|${variants.map(() => '---:|').join('')}---:|---:|---:|`,
  ];
  const row = (name: string, of: readonly Recorded[]): string =>
    [
      `| ${name}`,
      ...variants.map((variant) =>
        count(
          sum(
            of.filter((part) => part.variant === variant),
            (part) => part.schedules,
          ),
        ),
      ),
      count(sum(of, (part) => part.steps)),
      `${count(Math.round(sum(of, (part) => part.cpuMs) / 1000))} s`,
      `${count(sum(of, (part) => part.violations.length))} |`,
    ].join(' | ');
  const scenarios = [...new Set(parts.map((part) => part.scenario))].sort();
  for (const name of scenarios)
    lines.push(
      row(
        name,
        parts.filter((part) => part.scenario === name),
      ),
    );
  lines.push(row('all', parts), '');
  const violations = parts.flatMap((part) =>
    part.violations.map((violation) => ({ ...violation, scenario: part.scenario, variant: part.variant })),
  );
  lines.push(
    `${count(sum(parts, (part) => part.schedules))} schedules, ${count(sum(parts, (part) => part.truncated))} cut off, ` +
      `${count(sum(parts, (part) => part.diverged))} that differed when run again, ${count(violations.length)} violations.`,
  );
  for (const violation of violations) {
    lines.push('', `- ${violation.id} in ${violation.scenario}, ${violation.variant}: ${violation.text}`);
    lines.push(`  \`npx splitstorm replay ${violation.token}\``);
  }
  return `${lines.join('\n')}\n`;
}
