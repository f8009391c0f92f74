import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checksDocument, DOCUMENTED_IDS, type CheckActivity } from '../../src/report/checks-document.ts';
import { INVARIANTS } from '../../src/check/all.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const activity = JSON.parse(read('check-activity.json')) as CheckActivity;

describe('docs/checks.md', () => {
  it('is what the checks say today', () => {
    expect(read('checks.md')).toBe(checksDocument(activity));
  });

  it('names each invariant of the dossier exactly once, checked or waiting', () => {
    const all = [
      ...Array.from({ length: 56 }, (_, i) => `Q${i + 1}`),
      ...Array.from({ length: 26 }, (_, i) => `D${i + 1}`),
    ];
    const missing = all.filter((id) => !DOCUMENTED_IDS.has(id));
    expect(missing).toEqual([]);
    const rows = checksDocument(activity)
      .split('\n')
      .filter((line) => line.startsWith('| Q') || line.startsWith('| D'));
    const ids = rows.map((row) => row.split(' ')[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('says of each invariant where it is checked, in files that are there, and that the check has looked at something', () => {
    for (const { id } of INVARIANTS) {
      expect([id, activity.looked[id]]).toEqual([id, expect.any(Number)]);
      expect([id, activity.looked[id]! > 0]).toEqual([id, true]);
      expect(activity.files[id]!.length).toBeGreaterThan(0);
      for (const file of activity.files[id]!)
        expect(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')).toMatch(
          new RegExp(`["'\`]${id}["'\`]`),
        );
    }
  });
});
