import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SourceFile } from './rules.ts';

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url)).replace(/[\\/]$/, '');

const NOT_OURS = new Set(['.git', 'node_modules', 'dist', 'coverage', 'results']);

function walk(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      return entry.isDirectory() ? walk(path) : [path];
    });
}

function read(paths: readonly string[]): SourceFile[] {
  return paths.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** The TypeScript files below the given folders; a folder that does not exist has none. */
export function typescriptFiles(...folders: readonly string[]): SourceFile[] {
  return read(folders.flatMap((folder) => walk(folder)).filter((path) => path.endsWith('.ts')));
}

/** Every text file that git tracks or would track; without git (a source archive), every file that is not built. */
export function repositoryFiles(): SourceFile[] {
  let paths: string[];
  try {
    const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    paths = list.split('\0').filter((path) => path !== '');
  } catch {
    paths = walk('');
  }
  const present = paths.filter((path) => statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile());
  return read([...new Set(present)]).filter(({ text }) => !text.includes('\0'));
}
