/**
 * Do tokens replay with the same hash on every supported version of Node?
 *
 *     node --import tsx scripts/node-versions.ts [--versions 20,22,24,26] [--seed 1] [--keep DIR]
 *
 * Makes tokens of all scenarios and bugs under several strategies, and replays them on each version, which is taken from the npm
 * registry into a temporary folder (or DIR, to be used again). The package `node` fetches its binary in an install script, which
 * newer npm does not run; so the package with the binary itself is installed, `node-<platform>-<arch>`, without scripts.
 * Exit status 1 if a token replays differently, 2 for wrong usage, 3 if a version could not be had.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PART = join('scripts', 'node-versions', 'tokens.ts');
const PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

function refuse(status: number, text: string): never {
  process.stderr.write(`node-versions: ${text}\n`);
  process.exit(status);
}

function options() {
  try {
    return parseArgs({
      options: {
        versions: { type: 'string', default: '20,22,24,26' },
        seed: { type: 'string', default: '1' },
        keep: { type: 'string' },
      },
    }).values;
  } catch (error) {
    return refuse(2, error instanceof Error ? error.message.split(/\.\s/)[0]! : String(error));
  }
}

const values = options();
const versions = values.versions.split(',');
for (const version of versions) {
  if (!/^\d+(\.\d+){0,2}$/.test(version))
    refuse(2, `--versions: ${JSON.stringify(version)} given, allowed are numbers such as 22 or 22.13.0`);
}

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'splitstorm-node-'));

/** The path of a version's binary. */
function binaryOf(version: string): string {
  const place = join(folder, `v${version}`);
  const names = [join('bin', 'node'), join('bin', 'node.exe')];
  const find = (): string | undefined =>
    names.map((name) => join(place, 'node_modules', PACKAGE, name)).find((path) => existsSync(path));
  const kept = find();
  if (kept !== undefined) return kept;
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{"private":true}\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const install = spawnSync(
    npm,
    [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--loglevel=error',
      `${PACKAGE}@${version}`,
    ],
    { cwd: place, encoding: 'utf8', shell: process.platform === 'win32' },
  );
  if (install.status !== 0)
    refuse(3, `${PACKAGE}@${version} could not be installed: ${install.stderr.trim()}`);
  return find() ?? refuse(3, `${PACKAGE}@${version} holds no binary`);
}

interface Replayed {
  readonly version: string;
  readonly same: number;
  readonly different: readonly string[];
  readonly lines: readonly string[];
}

try {
  const made = execFileSync(process.execPath, ['--import', 'tsx', PART, 'make', values.seed], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const count = made.trim().split('\n').length;
  process.stdout.write(`${count} tokens made with Node ${process.version}\n`);
  const runs = versions.map((wanted): Replayed => {
    const binary = binaryOf(wanted);
    const version = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim();
    const replay = spawnSync(binary, ['--import', 'tsx', PART, 'replay'], {
      cwd: ROOT,
      encoding: 'utf8',
      input: made,
      maxBuffer: 2 ** 28,
    });
    if (replay.status !== 0) refuse(3, `Node ${version}: ${replay.stderr.trim()}`);
    const lines = replay.stdout.trim().split('\n');
    const different = lines.filter((line) => !line.endsWith('\ttrue'));
    process.stdout.write(
      `Node ${version}: ${lines.length - different.length} of ${count} replay with the same hash\n`,
    );
    for (const line of different.slice(0, 5)) process.stdout.write(`  ${line}\n`);
    return { version, same: lines.length - different.length, different, lines };
  });
  const first = runs[0]!;
  const found = first.lines.filter((line) => line.split('\t')[3] !== 'nothing').length;
  process.stdout.write(`${found} of the runs fail, with the same finding on every version: `);
  const agree = runs.every(({ lines }) => lines.join('\n') === first.lines.join('\n'));
  process.stdout.write(`${agree ? 'yes' : 'NO'}\n`);
  process.exitCode =
    agree && runs.every(({ different, same }) => different.length === 0 && same === count) ? 0 : 1;
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}
