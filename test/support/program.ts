/**
 * The program as it is published, which the tests run: compiled once for each run of vitest (globalSetup), into a folder of its own.
 * Compared with the sources it spares every thread and every process the loader (1.5 s of a core each), and every test file
 * the transformation of what it imports. What is published is also what users have.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vitest/config';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the compiled package. */
    readonly program: string;
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url)).replace(/[\\/]$/, '');
/** Below node_modules, so that packages are found from there and nothing takes it for a part of the repository. */
const PROGRAM = join(ROOT, 'node_modules', '.cache', 'splitstorm', String(process.pid));

/** @throws Error with what the compiler said */
function compile(): void {
  rmSync(PROGRAM, { recursive: true, force: true });
  mkdirSync(PROGRAM, { recursive: true });
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  // Types are checked by `npm run typecheck`.
  const options = ['--noCheck', '--declaration', 'false', '--declarationMap', 'false'];
  try {
    execFileSync(
      process.execPath,
      [tsc, '-p', 'tsconfig.build.json', '--outDir', join(PROGRAM, 'dist'), ...options],
      { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' },
    );
  } catch (error) {
    throw new Error(`the program does not compile:\n${(error as { stdout?: string }).stdout ?? ''}`, {
      cause: error,
    });
  }
  copyFileSync(join(ROOT, 'package.json'), join(PROGRAM, 'package.json'));
  cpSync(join(ROOT, 'bin'), join(PROGRAM, 'bin'), { recursive: true });
}

/** vitest's globalSetup. */
export default function setup(project: TestProject): () => void {
  compile();
  project.onTestsRerun(compile);
  project.provide('program', PROGRAM);
  return () => rmSync(PROGRAM, { recursive: true, force: true });
}

/** Lets tests import the compiled module where they say the source. */
export const compiledImports = (): Plugin => ({
  name: 'splitstorm-compiled-imports',
  enforce: 'pre',
  resolveId(source, importer) {
    if (importer === undefined || !source.startsWith('.')) return undefined;
    const path = relative(ROOT, resolve(dirname(importer), source))
      .split(sep)
      .join('/');
    if (!/^(?:src|workers|scenarios)\/.*\.ts$/.test(path)) return undefined;
    return join(PROGRAM, 'dist', path.replace(/\.ts$/, '.js'));
  },
});

/** Test files that put something in the place of a module: they need the sources, and a process of their own. */
export function filesWithMocks(): string[] {
  return readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => /\bvi\.(?:do)?[mM]ock\(/.test(readFileSync(join(ROOT, 'test', file), 'utf8')))
    .map((file) => `test/${file.split(sep).join('/')}`);
}
