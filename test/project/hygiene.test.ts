import { describe, expect, it } from 'vitest';
import { repositoryFiles, ROOT } from './files.ts';
import { machineFindings } from './rules.ts';

/** The path of this checkout and the host of the registry in use, where they are long enough to be telling. */
function localTexts(): string[] {
  const texts: string[] = [];
  if (ROOT.split(/[\\/]/).filter((part) => part !== '').length >= 2) texts.push(ROOT);
  const registry = process.env['npm_config_registry'];
  if (registry !== undefined && URL.canParse(registry)) texts.push(new URL(registry).host);
  return texts.filter((text) => text.length >= 6);
}

const finding = (text: string, local: readonly string[] = []): string[] =>
  machineFindings([{ path: 'docs/a.md', text }], local);

describe('repository text', () => {
  it('names no machine path and no registry host', () => {
    const files = repositoryFiles();
    expect(files.map(({ path }) => path)).toContain('package.json');
    expect(machineFindings(files, localTexts())).toEqual([]);
  });

  it.each([
    [['see ', 'home', 'someone', 'src'].join('/')],
    [['"', 'work', 'main"'].join('/')],
    [['(', 'Users', 'someone', 'x)'].join('/')],
    [['C:', 'Users', 'someone'].join('\\')],
    [['file:', '', '', 'opt', 'x'].join('/')],
    [`at ${['registry', 'example', 'org'].join('.')}`],
    [['npm', 'pkg', 'example', 'com'].join('.')],
    [['registry', 'http://localhost:4873'].join('=')],
    [['"resolved"', '"https://example.org/a.tgz"'].join(': ')],
  ])('finds %s', (text) => {
    expect(finding(text)).toHaveLength(1);
  });

  it('finds the texts of this machine', () => {
    expect(finding('built in /opt/build/7', ['/opt/build'])).toHaveLength(1);
  });

  it('accepts relative paths, web addresses and system files', () => {
    expect(finding('src/work/a.ts ./home/a /proc/lock_stat https://example.org/home/a the registry')).toEqual(
      [],
    );
  });
});
