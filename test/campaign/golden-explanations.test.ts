// Explanations of historical bugs, held against what the commit that mended each says went wrong (in our words). They start from
// shrunk runs that are stored as tokens, so that only the explaining is at test here. If a change of the engine or of a
// scenario makes another run of a token, scripts/golden-explanations.ts finds a new one.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderExplanation, stepWords, type Explanation } from '../../src/report/explanation.ts';
import { explained } from '../support/explained.ts';

interface Golden {
  readonly bug: string;
  readonly token: string;
  readonly check: string;
  /** Who does what in the two operations or critical sections of the critical pair; absent: no order of two passes. */
  readonly pair?: readonly [first: RegExp, second: RegExp];
  /** Who breaks the rule. */
  readonly by: string;
  /** What the explanation has to say, whatever its layout. */
  readonly says: readonly RegExp[];
}

const GOLDEN: readonly Golden[] = [
  {
    // f082d86ea685: when KSM made a page read-only, the notifier put the new frame into the entry without W and
    // host-writable but left MMU-writable, and the fast path would have made it writable again.
    bug: 'b-05',
    token: 'S1.notifier-unmap~@IsTQ~idle=2~memory=16K~without=D24._wEBJAMA3RK94w-oAapehsJQ4QID',
    check: 'Q27',
    pair: [/^migration: takes mmu_lock for write/, /^mmu-notifier: takes mmu_lock for write/],
    by: 'mmu-notifier',
    says: [
      /host-writable 0, MMU-writable 1, W 0/,
      /by mmu-notifier at step \d+: none -> 0x25 r-x D M/,
      /L1\[1\]@0x20: 0x25 rwx AD HM -> none/,
    ],
  },
  {
    // 6dbf79e7164e: dirty logging write-protected and let go of mmu_lock before it flushed. Whoever write-protected next, to
    // shadow a table, found W clear, had nothing to flush for, and took the page for protected: a TLB could still write.
    bug: 'b-07',
    token: 'S1.shadowed-tables~@PCQn~burst=1~idle=2~without=D24._wAA3RK941DAAWdncyTtX9h1',
    check: 'D10',
    pair: [/^migration: takes mmu_lock for write/, /^L2 vCPU 0: takes mmu_lock for write/],
    by: 'L2 vCPU 0',
    says: [
      /TLB entry for L2 gfn 0x3b \(rwx\) can write gfn 0x3b, which holds a shadowed table, and no flush is pending/,
      /L1\[3\]@0x38: 0x3b r-x AD HM -> 0x3b r-x AD H/,
      /kvm_mmu_get_page: gfn 3b L2 indirect rwx new/,
    ],
  },
  {
    // 9e7b0e7fba45: a write fault made an entry of a direct child writable that had been made for a read-only way, so that whoever
    // shares that child could write.
    bug: 'b-12',
    token: 'S1.l1-remap~@E6uV~without=D24._wYAAAIDAQICAgMECQMECgMECwMAGYJJiT_JAlp_BAuZnLyO',
    check: 'Q28',
    pair: [/^L2 vCPU 0: takes mmu_lock for write/, /^L2 vCPU 1: takes mmu_lock for write/],
    by: 'L2 vCPU 1',
    says: [
      /entry 1 of page 37 \(L1 direct r-x, gfn 0x24\)/,
      /by L2 vCPU 1 at step \d+: 0x25 r-x H -> 0x25 rwx AD HM/,
      /W 1, with stored access r-x/,
    ],
  },
  {
    // c126d94f2c90: the fast path made huge pages of a logged slot writable, with one gfn marked dirty for all of them. Whoever
    // comes first, the vCPU does it: there is no order of two operations that would help.
    bug: 'b-20',
    token: 'S1.both-mmus~@mCW3~eager=false~idle=1~without=D24._wAAGYJJiQBT82dEXZmvBYY',
    check: 'D18',
    by: 'L1 vCPU 1',
    says: [
      /a level-3 page of logged slot 1, writable without mmu_lock/,
      /by L1 vCPU 1 at step \d+: 0x20 r-x AD HM PS -> 0x20 rwx AD HM PS/,
      /No critical pair: all \d+ pairs/,
    ],
  },
  {
    // a835429cda91: a zap of a range of gfns forgot that it owed a flush when it gave mmu_lock up.
    bug: 'b-21',
    token: 'S1.page-migration~@qz-v~idle=1-2~l1Vcpus=1~without=D24._wAA3RK94wCiAR-n3Qzstbcu',
    check: 'D20',
    pair: [
      /^migration: takes mmu_lock for write/,
      /^mmu-notifier: takes mmu_lock for write, then L1\[0\]@0x20: 0x20 r-x AD HM -> none/,
    ],
    by: 'mmu-notifier',
    says: [
      /mmu-notifier drops mmu_lock and has not flushed since it took entry 0 of page 160/,
      /by mmu-notifier at step \d+: 0x20 r-x AD HM -> none/,
    ],
  },
  {
    // ba3a6120a4e7: entries of the TDP MMU whose bits hardware or the fast path may set at any time were replaced by a
    // plain store where mmu_lock was held for write, which could lose A, D or W.
    bug: 'b-24',
    token: 'S1.l1-remap~b-24-tdp-plain-write~idle=1~without=D24._wEBLAIAGYJJiROqAll2jxaZnMlM',
    check: 'D5',
    pair: [
      /^migration: takes mmu_lock for write/,
      /^L2 vCPU 1: takes mmu_lock for write, then .*L1\[0\]@0x24: 0x24 r-x AD HM -> 0x24 r-x AD H/,
    ],
    by: 'L2 vCPU 1',
    says: [
      /L2 vCPU 1 stores over entry 0 of page 161 .*, which hardware or the fast path may be changing/,
      /by L2 vCPU 1 at step \d+: 0x24 r-x AD HM -> 0x24 r-x AD H/,
    ],
  },
  {
    // 6d3085e4d89a: while kvm_zap_gfn_range() had given mmu_lock up, faults were held off from a part of its range only, and
    // mapped the rest again as it had been.
    bug: 'b-40',
    token: 'S1.zap-all~@8wBO~burst=1~idle=1~memory=16K~without=D24._wEEBAAA3RK94wFZZYbirANG4ms',
    check: 'D17',
    pair: [/^zap-all: takes mmu_lock for write/, /^migration: tries mmu_lock, finds 255/],
    by: 'L2 vCPU 1',
    says: [
      /L2 vCPU 1 installed gfn 0x20 while kvm_zap_gfn_range\(\) is going over it/,
      /L2\[0\]@0x9: 0x20 rwx AD HM PS -> none/,
      /by L2 vCPU 1 at step \d+: none -> 0x20 rwx AD HM/,
    ],
  },
  {
    // 0cb2af2ea66a (CVE-2026-46113): L1 points an entry elsewhere while a table that KVM made by a split is linked at it. The
    // table was kept although it is for other gfns, so that a leaf maps one gfn and is in the reverse map of another.
    bug: 'b-50',
    token: 'S1.l1-remap~@_MZz~without=D24._woBAQEBAwMEEwEDGwECJwMDHwADIgABFgEDOAMBQAIA3RK94wO1Az8Pki2ZnAId',
    check: 'Q24',
    pair: [
      /^L2 vCPU 0: takes mmu_lock for write, then L2\[0\]@0x23: table 38 -> none/,
      /^L2 vCPU 1: takes mmu_lock for write, then L1\[2\]@0x20: 0x22 r-x A H -> none/,
    ],
    by: 'L2 vCPU 1',
    says: [
      /for gfn 0x22: frame 0x26, and the host has 0x22 there/,
      /L2\[0\]@0x23: none -> table 38/,
      /rmap of gfn 0x22 at level 1: empty/,
    ],
  },
  {
    // e89505698c9f: the worker that undoes NX splits left the pages it had zapped in its last round uncommitted: neither freed nor
    // flushed for. It needs nobody else.
    bug: 'b-54',
    token: 'S1.nx-recovery~@MlTI~idle=1-2~memory=16K~without=D24._wAA3RK94wEa_4v4o1AXi7w',
    check: 'D20',
    by: 'nx-recovery',
    says: [
      /nx-recovery drops mmu_lock and has not flushed since it took entry 0 of page 39/,
      /kvm_mmu_prepare_zap_page: gfn 20 L1 direct rwx/,
      /by nx-recovery at step \d+: table 38 -> none/,
      /No critical pair: all \d+ pairs/,
    ],
  },
  {
    // c793a62823d1: with a preemption model chosen at boot, holders of mmu_lock looked at who waits even where the model says
    // that nobody is preempted, and a split under many faults got nowhere.
    bug: 'b-56',
    token:
      'S1.fault-storm~@QIDQ~idle=1-2-3~preempt=none~reschedRate=0~without=D24._wEBDAQA3RK94wEtWg86lLjYkW8',
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
    token: 'S1.nested-migration~@Ih51~idle=2~memory=32K~without=D24._wAAYRg_RABoDo-mxs6l7hQ',
    check: 'Q43',
    pair: [
      /^migration: L1\[0\]@0x24: 0x24 rwx AD HM -> 0x24 r-x AD HM/,
      /^L2 vCPU 0: reads L1\[0\]@0x24: 0x24 r-x AD HM/,
    ],
    by: 'migration',
    says: [
      /every split succeeded, but entry 1 of page 39 .* still maps a level-2 page/,
      /kvm_mmu_split_huge_page: gfn 24 .* errno 0/,
      /L2\[1\]@0x9: none -> 0x24 rwx AD HM PS/,
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

describe.each(GOLDEN)('the explanation of $bug', ({ bug, token, check, pair, by, says }) => {
  it(`says what its fix says, in at most 40 lines: ${check} by ${by}`, async () => {
    const explanation = await explained(token);
    const { violation, actors } = explanation;
    expect(explanation.variant).toMatch(new RegExp(`^${bug}-`));
    expect(violation.id).toBe(check);
    expect(violation.actor < 0 ? 'the end' : actors[violation.actor]).toBe(by);
    const { pair: found } = explanation;
    const swapped = found === undefined ? [] : [found.first, found.second];
    expect(swapped.map((step) => described(explanation, step))).toEqual(
      (pair ?? []).map((wanted) => expect.stringMatching(wanted)),
    );
    expect(found?.instead).toBeUndefined();
    const wide = renderExplanation(explanation, { width: 200, color: false });
    for (const wanted of says) expect(wide.join('\n')).toMatch(wanted);
    const lines = renderExplanation(explanation, { width: 80, color: false });
    expect(lines.length).toBeLessThanOrEqual(40);
    const file = fileURLToPath(new URL(`../fixtures/explanations/${bug}.txt`, import.meta.url));
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(file);
  });
});
