/** What `prove` prints: the claim first, then what it rests on, figures, and how to do it again. A pure function from the outcome. */
import pc from 'picocolors';
import type { Outcome } from './schema.ts';
import { statement, type Proof } from './statement.ts';
import { canaryText, verdictLine, type ReportOptions } from './terminal.ts';
import { clean, formatCount, formatDuration, plural, wrap, wrapCommand } from './text.ts';

const LABEL_WIDTH = 14;
const MIN_WIDTH = 40;
const NS_PER_MS = 1e6;
/** Places of a schedule that are listed. */
const MOST_PLACES = 24;

export function renderProof(outcome: Outcome, options: ReportOptions): string {
  const proof = outcome.proof!;
  const colors = pc.createColors(options.color);
  const width = Math.max(MIN_WIDTH, options.width);
  const lines: string[] = [];
  const item = (label: string, text: string): void => {
    wrap(text, width - LABEL_WIDTH - 2).forEach((line, at) => {
      lines.push(`  ${at === 0 ? colors.dim(label.padEnd(LABEL_WIDTH)) : ' '.repeat(LABEL_WIDTH)}${line}`);
    });
  };
  const { tool } = outcome;
  lines.push(
    ...wrap(
      `${tool.name} ${tool.version}: prove ${outcome.scenario}: ${outcome.verdict.toUpperCase()}`,
      width,
    ).map((line) => colors.bold(line)),
    '',
  );
  statement(proof).forEach((paragraph, at) => {
    for (const line of wrap(paragraph, width)) lines.push(at === 0 ? colors.bold(line) : line);
    lines.push('');
  });
  for (const violation of outcome.violations) {
    const sentence = violation.sentence === '' ? '' : `: ${violation.sentence}`;
    for (const line of wrap(`${violation.id}${sentence}`, width)) lines.push(colors.red(line));
    for (const line of wrap(violation.text, width - 2)) lines.push(`  ${line}`);
    for (const line of wrap(`by ${violation.actorName} at step ${formatCount(violation.step)}`, width - 2)) {
      lines.push(`  ${colors.dim(line)}`);
    }
    lines.push('');
  }
  if (proof.overrides !== null) {
    for (const line of wrap(`The schedule: ${scheduleText(proof, proof.overrides)}`, width)) lines.push(line);
    lines.push('');
  }
  for (const [label, text] of figures(outcome, proof)) item(label, text);
  if (outcome.caveats.length > 0) {
    lines.push('', colors.bold('Caveats'));
    for (const caveat of outcome.caveats) {
      wrap(caveat, width - 4).forEach((line, at) =>
        lines.push(`${at === 0 ? '  - ' : '    '}${colors.yellow(line)}`),
      );
    }
  }
  lines.push('', colors.bold('To run it again'));
  lines.push(...wrapCommand(outcome.reproduce.command, width - 4).map((line) => `  ${line}`));
  const paint = outcome.verdict === 'clean' ? colors.green : colors.red;
  lines.push('', paint(verdictLine(outcome)));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function figures(outcome: Outcome, proof: Proof): readonly (readonly [string, string])[] {
  const rate = proof.searchMs > 0 ? (proof.schedules + proof.redundant) / (proof.searchMs / 1000) : 0;
  const time = formatDuration(proof.elapsedMs * NS_PER_MS, 'ns');
  const changed = outcome.changed.map(({ name, value }) => `${name}=${value}`).join(', ');
  return [
    ['machine', `${proof.machine}, ${proof.actors.join(', ')}`],
    ['parameters', changed === '' ? 'all at their defaults' : changed],
    ['variant, seed', `${proof.variant}, ${proof.seed}`],
    [
      'method',
      (proof.method === 'dpor'
        ? 'one schedule of each class (source-set DPOR with sleep sets)'
        : `all schedules with at most ${plural(proof.bound ?? 0, 'preemption')}`) +
        (proof.why === '' ? '' : `: ${proof.why}`),
    ],
    [
      'schedules',
      `${formatCount(proof.schedules)} run${proof.method === 'dpor' ? `, ${formatCount(proof.redundant)} given up as seen before` : ''}` +
        (proof.estimate === null ? '' : ` (estimated before: ${estimateText(proof)})`),
    ],
    ['steps', `${formatCount(proof.steps)}, at most ${formatCount(proof.longest)} in a schedule`],
    ['time', `${time}, ${formatCount(Math.round(rate))} schedules/s`],
    ['checks', `${formatCount(outcome.checks.ran.length)} (splitstorm list checks)`],
    ...(outcome.canary === undefined ? [] : [['canary', canaryText(outcome.canary)] as const]),
    ['sum of traces', proof.hash],
  ];
}

function estimateText({ estimate, method }: Proof): string {
  const { runs, error, probes } = estimate!;
  if (probes === 0) return 'no probe came to an end';
  const about = (value: number): string =>
    value < 1e6 ? formatCount(Math.round(value)) : value.toExponential(1);
  const rough = method === 'dpor' ? ', rather too little' : '';
  return `${about(runs)} ± ${about(error)} from ${plural(probes, 'probe')}${rough}`;
}

/** `L2 vCPU 0; after 3 steps of it migration; ...`. */
function scheduleText(proof: Proof, overrides: NonNullable<Proof['overrides']>): string {
  const name = (actor: number): string => clean(proof.actors[actor] ?? `actor ${actor}`);
  const places = overrides.map(({ actor, op, next }) =>
    actor < 0 ? `${name(next)} begins` : `after ${plural(op, 'step')} of ${name(actor)} comes ${name(next)}`,
  );
  const shown = places.slice(0, MOST_PLACES);
  const more = places.length - shown.length;
  const rest = more > 0 ? [plural(more, 'more switch', 'more switches')] : [];
  const base =
    'otherwise each goes on until it blocks, ends or stands at a safepoint, then the next that can';
  return `${[...shown, ...rest, base].join('; ')}.`;
}
