/**
 * Explanations of historical bugs, held against what the commit that mended each says went wrong (in our words). They start from
 * shrunk runs that are stored as tokens, so that only the explaining is at test. If a change of the engine or of a scenario makes
 * another run of a token, scripts/golden-explanations.ts finds a new one.
 */
import { stepWords, type Explanation } from '../../src/report/explanation.ts';
import { renderExplanation } from '../../src/report/explanation.ts';

/** What the explanation of a bug has to say. */
export interface Golden {
  readonly bug: string;
  readonly check: string;
  /** Who does what in the two operations or critical sections of the critical pair; absent: no order of two passes. */
  readonly pair?: readonly [first: RegExp, second: RegExp];
  /** Who breaks the rule. */
  readonly by: string;
  /** What the explanation has to say, whatever its layout. */
  readonly says: readonly RegExp[];
}

export const GOLDEN: readonly Golden[] = [
  {
    // f082d86ea685: when KSM made a page read-only, the notifier put the new frame into the entry without W and
    // host-writable but left MMU-writable, and the fast path would have made it writable again.
    bug: 'b-05',
    check: 'Q27',
    pair: [/^migration: takes mmu_lock for write/, /^mmu-notifier: takes mmu_lock for write/],
    by: 'mmu-notifier',
    says: [
      /host-writable 0, MMU-writable 1, W 0/,
      /by mmu-notifier at step \d+: none -> 0x\w+ r-x D M/,
      /L1\[\d\]@0x\w+: 0x\w+ rwx AD HM -> none/,
    ],
  },
  {
    // 6dbf79e7164e: dirty logging write-protected and let go of mmu_lock before it flushed. Whoever write-protected next, to
    // shadow a table, found W clear, had nothing to flush for, and took the page for protected: a TLB could still write.
    bug: 'b-07',
    check: 'D10',
    pair: [/^migration: takes mmu_lock for write/, /^L2 vCPU 0: takes mmu_lock for write/],
    by: 'L2 vCPU 0',
    says: [
      /TLB entry for L2 gfn 0x3b \(rwx\) can write gfn 0x3b, which holds a shadowed table, and no flush is pending/,
      /L1\[\d\]@0x38: 0x3b r-x AD HM -> 0x3b r-x AD H/,
      /kvm_mmu_get_page: gfn 3b L2 indirect rwx new/,
    ],
  },
  {
    // 9e7b0e7fba45: a write fault made an entry of a direct child writable that had been made for a read-only way, so that whoever
    // shares that child could write.
    bug: 'b-12',
    check: 'Q28',
    pair: [/^L2 vCPU 0: takes mmu_lock for write/, /^L2 vCPU 1: takes mmu_lock for write/],
    by: 'L2 vCPU 1',
    says: [
      /entry \d of page \d+ \(L1 direct r-x, gfn 0x\w+\)/,
      /by L2 vCPU 1 at step \d+: 0x\w+ r-x H -> 0x\w+ rwx AD HM/,
      /W 1, with stored access r-x/,
    ],
  },
  {
    // c126d94f2c90: the fast path made huge pages of a logged slot writable, with one gfn marked dirty for all of them. Whoever
    // comes first, the vCPU does it: there is no order of two operations that would help.
    bug: 'b-20',
    check: 'D18',
    by: 'L1 vCPU 1',
    says: [
      /a level-3 page of logged slot 1, writable without mmu_lock/,
      /by L1 vCPU 1 at step \d+: 0x\w+ r-x AD HM PS -> 0x\w+ rwx AD HM PS/,
      /No critical pair: all \d+ pairs/,
    ],
  },
  {
    // a835429cda91: a zap of a range of gfns forgot that it owed a flush when it gave mmu_lock up.
    bug: 'b-21',
    check: 'D20',
    pair: [
      /^migration: takes mmu_lock for write/,
      /^mmu-notifier: takes mmu_lock for write, then L1\[\d\]@0x\w+: 0x\w+ r-x AD HM -> none/,
    ],
    by: 'mmu-notifier',
    says: [
      /mmu-notifier drops mmu_lock and has not flushed since it took entry \d of page \d+/,
      /by mmu-notifier at step \d+: 0x\w+ r-x AD HM -> none/,
    ],
  },
  {
    // ba3a6120a4e7: entries of the TDP MMU whose bits hardware or the fast path may set at any time were replaced by a
    // plain store where mmu_lock was held for write, which could lose A, D or W.
    bug: 'b-24',
    check: 'D5',
    pair: [
      /^migration: takes mmu_lock for write/,
      /^L2 vCPU 1: takes mmu_lock for write, then .*L1\[\d\]@0x\w+: 0x\w+ r-x AD HM -> 0x\w+ r-x AD H/,
    ],
    by: 'L2 vCPU 1',
    says: [
      /L2 vCPU 1 stores over entry \d of page \d+ .*, which hardware or the fast path may be changing/,
      /by L2 vCPU 1 at step \d+: 0x\w+ r-x AD HM -> 0x\w+ r-x AD H/,
    ],
  },
  {
    // 6d3085e4d89a: while kvm_zap_gfn_range() had given mmu_lock up, faults were held off from a part of its range only, and
    // mapped the rest again as it had been.
    bug: 'b-40',
    check: 'D17',
    pair: [
      /^zap-all: takes mmu_lock for write/,
      /^L2 vCPU 0: takes mmu_lock for write, then L1\[\d\]@0x\w+: none -> 0x\w+ rwx AD HM/,
    ],
    by: 'L2 vCPU 0',
    says: [
      /L2 vCPU 0 installed gfn 0x\w+ while kvm_zap_gfn_range\(\) is going over it/,
      /L\d\[\d\]@0x\w+: .* -> none/,
      /by L2 vCPU 0 at step \d+: none -> 0x\w+ rwx AD HM/,
    ],
  },
  {
    // 0cb2af2ea66a (CVE-2026-46113): L1 points an entry elsewhere while a table that KVM made by a split is linked at it. The
    // table was kept although it is for other gfns, so that a leaf maps one gfn and is in the reverse map of another.
    bug: 'b-50',
    check: 'Q24',
    pair: [
      /^L2 vCPU 0: takes mmu_lock for write, then L2\[0\]@0x\w+: table \d+ -> none/,
      /^L2 vCPU 1: takes mmu_lock for write, then L1\[\d\]@0x\w+: 0x\w+ r-x A H -> none/,
    ],
    by: 'L2 vCPU 1',
    says: [
      /for gfn 0x\w+: frame 0x\w+, and the host has 0x\w+ there/,
      /L2\[0\]@0x\w+: none -> table \d+/,
      /rmap of gfn 0x\w+ at level 1: empty/,
    ],
  },
  {
    // e89505698c9f: the worker that undoes NX splits left the pages it had zapped in its last round uncommitted: neither freed nor
    // flushed for. It needs nobody else.
    bug: 'b-54',
    check: 'D20',
    by: 'nx-recovery',
    says: [
      /nx-recovery drops mmu_lock and has not flushed since it took entry \d of page \d+/,
      /kvm_mmu_prepare_zap_page: gfn \w+ L1 direct rwx/,
      /by nx-recovery at step \d+: table \d+ -> none/,
      /No critical pair: all \d+ pairs/,
    ],
  },
  {
    // c793a62823d1: with a preemption model chosen at boot, holders of mmu_lock looked at who waits even where the model says
    // that nobody is preempted, and a split under many faults got nowhere.
    bug: 'b-56',
    check: 'D13',
    pair: [/^migration: takes mmu_lock for write/, /^L2 vCPU 3: tries mmu_lock, finds 255/],
    by: 'migration',
    says: [
      /migration gave mmu_lock up without a split: its caches were full/,
      /topup_split_caches: caches full result 0/,
      /errno -11/,
    ],
  },
  {
    // a216e24fc947: a fault in a slot that is logged mapped a huge page, in the place of the table that the split had just made.
    bug: 'b-61',
    check: 'Q42',
    by: 'L2 vCPU 0',
    says: [
      /logging is on, but entry \d of page \d+ .* maps a writable level-2 page/,
      /kvm_mmu_split_huge_page: gfn \w+ .* errno 0/,
      /L2\[\d\]@0x9: table \d+ -> none/,
      /L2\[\d\]@0x9: none -> 0x\w+ rwx AD HM PS/,
      /page fault: gfn \w+ level 2 FIXED/,
    ],
  },
];

/** What an operation of the pair does, and if it takes a lock the operations on SPTEs in the section it begins. */
function described({ steps, actors }: Explanation, number: number): string {
  const step = steps[number - 1]!;
  const text = `${actors[step.actor]}: ${stepWords(step)}`;
  if (step.lock?.taken !== true) return text;
  const section = steps.slice(number).filter(({ actor }) => actor === step.actor);
  const end = section.findIndex(({ lock }) => lock?.name === step.lock!.name && !lock.taken);
  const changes = section
    .slice(0, end < 0 ? undefined : end)
    .filter(({ changed, what }) => changed && /^L\d\[/.test(what));
  return changes.length === 0 ? text : `${text}, then ${changes.map(stepWords).join('; ')}`;
}

/** What the explanation does not say as it has to; empty if it says all. */
export function misses(golden: Golden, explanation: Explanation): string[] {
  const { violation, actors, pair } = explanation;
  const wrong: string[] = [];
  const same = (what: string, found: unknown, wanted: unknown): void => {
    if (found !== wanted) wrong.push(`${what}: ${String(found)}, not ${String(wanted)}`);
  };
  const matches = (what: string, text: string, wanted: RegExp): void => {
    if (!wanted.test(text)) wrong.push(`${what}: ${wanted} is not in ${text}`);
  };
  matches('variant', explanation.variant, new RegExp(`^${golden.bug}-`));
  same('check', violation.id, golden.check);
  same('by', violation.actor < 0 ? 'the end' : actors[violation.actor], golden.by);
  const found =
    pair === undefined ? [] : [pair.first, pair.second].map((step) => described(explanation, step));
  same('operations in the critical pair', found.length, golden.pair?.length ?? 0);
  golden.pair?.forEach((wanted, at) => {
    matches('critical pair', found[at] ?? 'nothing', wanted);
  });
  same('instead', pair?.instead, undefined);
  const wide = renderExplanation(explanation, { width: 200, color: false }).join('\n');
  for (const wanted of golden.says) matches('text', wide, wanted);
  return wrong;
}
