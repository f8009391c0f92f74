import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checksDocument, DOCUMENTED_IDS } from '../../src/report/checks-document.ts';

describe('docs/checks.md', () => {
  it('is what the checks say today', () => {
    const committed = readFileSync(new URL('../../docs/checks.md', import.meta.url), 'utf8');
    expect(committed).toBe(checksDocument());
  });

  it('names each invariant of the dossier exactly once, checked or waiting', () => {
    const all = [
      ...Array.from({ length: 56 }, (_, i) => `Q${i + 1}`),
      ...Array.from({ length: 26 }, (_, i) => `D${i + 1}`),
    ];
    const missing = all.filter((id) => !DOCUMENTED_IDS.has(id));
    expect(missing).toEqual([]);
    const rows = checksDocument()
      .split('\n')
      .filter((line) => line.startsWith('| Q') || line.startsWith('| D'));
    const ids = rows.map((row) => row.split(' ')[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
