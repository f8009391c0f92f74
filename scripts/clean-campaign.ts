/**
 * The clean engine under many schedules: nothing may be reported.
 *
 *     node --import tsx scripts/clean-campaign.ts [--schedules 1000000] [--variants p0,p1,p2] [--processes 2]
 *
 * Spreads the schedules over all shipped scenarios and the variants, and prints a Markdown table. Exit status 1 if
 * anything was reported.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { shippedScenarios } from '../src/scenario/load.ts';

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '1000000' },
    variants: { type: 'string', default: 'p1' },
    processes: { type: 'string', default: String(availableParallelism()) },
    seed: { type: 'string', default: 'clean-1' },
  },
});
const bin = fileURLToPath(new URL('../bin/splitstorm.js', import.meta.url));

interface Job {
  readonly scenario: string;
  readonly variant: string;
  readonly schedules: number;
}
interface Document {
  readonly exploration: { readonly schedules: number; readonly steps: number };
  readonly durationMs: number;
  readonly traceHash: string;
  readonly violations: readonly { readonly id: string; readonly text: string }[];
  readonly reproduce: { readonly command: string };
}

const scenarios = shippedScenarios();
const variants = values.variants.split(',');
const each = Math.ceil(Number(values.schedules) / (scenarios.length * variants.length));
const jobs: Job[] = variants.flatMap((variant) =>
  scenarios.map((scenario) => ({ scenario, variant, schedules: each })),
);

function run(job: Job): Promise<Document> {
  const args = [
    bin,
    'explore',
    job.scenario,
    '--variant',
    job.variant,
    '--schedules',
    String(job.schedules),
    '--seed',
    values.seed,
    '--quiet',
    '--json',
    '-',
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0 && code !== 1) reject(new Error(`explore ${job.scenario} ended with status ${code}`));
      else resolve(JSON.parse(text) as Document);
    });
  });
}

const began = performance.now();
const results = new Map<Job, Document>();
const queue = [...jobs];
await Promise.all(
  Array.from({ length: Number(values.processes) }, async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const document = await run(job);
      results.set(job, document);
      process.stderr.write(
        `${job.variant} ${job.scenario}: ${document.exploration.schedules} schedules, ${document.violations.length} violations\n`,
      );
      for (const violation of document.violations)
        process.stderr.write(`  ${violation.id}: ${violation.text}\n  ${document.reproduce.command}\n`);
    }
  }),
);
const lines = [
  '| profile | scenario | schedules | visible operations | schedules/s | violations |',
  '|---|---|---|---|---|---|',
];
let total = 0;
let operations = 0;
let violations = 0;
for (const job of jobs) {
  const { exploration, durationMs, violations: broken } = results.get(job)!;
  total += exploration.schedules;
  operations += exploration.steps;
  violations += broken.length;
  lines.push(
    `| ${job.variant} | ${job.scenario} | ${exploration.schedules} | ${exploration.steps} | ${Math.round((exploration.schedules / durationMs) * 1000)} | ${broken.length} |`,
  );
}
lines.push(`| all | | ${total} | ${operations} | | ${violations} |`);
process.stdout.write(
  `${lines.join('\n')}\n\n${total} schedules in ${Math.round((performance.now() - began) / 1000)} s on ${values.processes} processes\n`,
);
process.exitCode = violations > 0 ? 1 : 0;
