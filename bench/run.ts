/**
 * `npm run bench`: ratios measured side by side in one run. Times of this machine mean little elsewhere; ratios do.
 *
 *   --only NAME   one of split, stepping, pass, controlled, search, workers, shrink, locks
 *   --quick       fewer and shorter rounds, 4 GiB instead of 64
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, freemem, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { compileC } from './c-split.ts';
import { BENCHMARKS } from './benchmarks.ts';

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
if (values.only !== undefined && !(values.only in BENCHMARKS)) {
  console.error(`--only: ${values.only} given, one of ${Object.keys(BENCHMARKS).join(', ')} is allowed`);
  process.exit(2);
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
console.log(
  `Node ${process.version} on ${process.platform}/${process.arch}, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ` +
    `${gib(totalmem())} (${gib(freemem())} free), load ${loadavg()[0]!.toFixed(2)}`,
);

const folder = mkdtempSync(join(tmpdir(), 'splitstorm-bench-'));
/** No lines between rows. */
const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
const table = new Table({
  chars,
  head: ['benchmark', 'median (min-max)', 'target', ''],
  style: { head: [], border: [] },
});
try {
  const c = compileC(folder);
  if (c === undefined) console.log('gcc was not found: the comparisons with C are left out');
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (values.only !== undefined && values.only !== name) continue;
    for (const row of await benchmark({ quick: values.quick, c })) {
      const verdict = row.met === undefined ? '' : row.met ? 'met' : 'MISSED';
      table.push([row.what, row.value, row.target ?? '', verdict]);
      console.log(`  ${row.what}: ${row.value}${verdict === '' ? '' : `, target ${row.target}: ${verdict}`}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${table.toString()}\nload at the end ${loadavg()[0]!.toFixed(2)}`);
