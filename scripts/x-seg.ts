import { MoveRecorder } from '../src/explore/moves.ts';
import { OverrideScheduler } from '../src/explore/overrides.ts';
import { SegmentRecorder } from '../src/explore/segments.ts';
import { runtimeOf } from '../src/campaign/run-spec.ts';
import { masterSeed } from '../src/cpu/random.ts';
import { briefWord } from '../src/mmu/describe.ts';
import { OP_NAMES } from '../src/cpu/steps.ts';
export function show(spec: any) {
  const rt = runtimeOf(spec);
  const seg = new SegmentRecorder(new OverrideScheduler(spec.plan.overrides));
  const mv = new MoveRecorder(seg);
  const names = rt.cpus.map((c) => c.name);
  let last = -1,
    n = 0,
    first = '',
    lastop = '',
    move = -9;
  const lines: string[] = [];
  let segs = 0;
  const flush = () => last >= 0 && lines.push(`${names[last]} m${move} x${n}: ${first} .. ${lastop}`);
  rt.run(mv, masterSeed(spec.seed), spec.schedule, {
    operation(cpu: any, op: number, word: number, lo: number) {
      const t = `${OP_NAMES[op]} ${briefWord(rt.kvm, word)}=${lo.toString(16)}`;
      if (cpu.actor !== last || cpu.move !== move) {
        flush();
        last = cpu.actor;
        move = cpu.move;
        n = 0;
        first = t;
      }
      n++;
      lastop = t;
    },
  });
  flush();
  console.log(lines.join('\n'));
  let mm = rt.cpus.map(() => 0);
  const per: string[] = [];
  for (const g of seg.segments) {
    per.push(
      `${names[g.actor]} ..${g.until} (${g.until - mm[g.actor]!})${g.preempted ? ' PREEMPTED' : ''} rest ${g.rest === undefined ? '-' : g.until - g.rest}`,
    );
    mm[g.actor] = g.until;
  }
  console.log(per.join('\n'));
  console.log(seg.segments.filter((s) => s.preempted).length, seg.segments.length);
}
