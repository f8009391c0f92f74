import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ALLOWED, allowing, MAX_ALLOWED_SHARE } from '../../src/conform/allowed.ts';
import { KINDS, type Difference } from '../../src/conform/compare/difference.ts';
import { allowedJson, withAllowedTable } from '../../src/conform/report/document.ts';

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

describe('the list of differences', () => {
  it('stands in the document as it is in the code', () => {
    const document = read('conformance.md');
    const cells = (text: string): string => text.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---');
    expect(cells(document)).toBe(cells(withAllowedTable(document)));
    expect(read('conformance-allowed.json')).toBe(allowedJson());
  });

  it('names kinds that exist and gives each entry a name of its own and a reason', () => {
    for (const { kind, reason } of ALLOWED) {
      expect(KINDS).toContain(kind);
      expect(reason.length).toBeGreaterThan(40);
    }
    expect(new Set(ALLOWED.map(({ id }) => id)).size).toBe(ALLOWED.length);
    expect(MAX_ALLOWED_SHARE).toBe(0.03);
  });

  it('covers no page, no SPTE, no list, no split and no flush', () => {
    const covered = new Set(ALLOWED.map(({ kind }) => kind));
    for (const kind of [
      'pages',
      'entries',
      'parents',
      'rmaps',
      'limits',
      'splits',
      'links',
      'flushes',
      'tdp',
    ] as const)
      expect(covered).not.toContain(kind);
  });

  it('covers what it says and not its neighbours', () => {
    const difference: Difference = {
      kind: 'counters',
      field: 'vcpu0.exits',
      op: 1,
      where: '',
      expected: '12',
      actual: '10',
    };
    expect(allowing(difference)).toBe('host-interrupts');
    expect(allowing({ ...difference, expected: '9' })).toBeUndefined();
    expect(allowing({ ...difference, field: 'vcpu0.pf_taken' })).toBeUndefined();
    expect(allowing({ ...difference, kind: 'limits' })).toBeUndefined();
  });
});
