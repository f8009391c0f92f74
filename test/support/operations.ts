/** Visible operations as data, so that random sequences of them can be given to a Cpu. */
import type { Cpu } from '../../src/cpu/cpu.ts';
import { is64, Op, type OpKind } from '../../src/cpu/steps.ts';

export interface Performed {
  readonly op: OpKind;
  /** Offset from the base; rounded down to an entry for 64-bit operations. */
  readonly word: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** Performs the operation and returns everything it gives back. */
export function perform(
  cpu: Cpu,
  base: number,
  { op, word, a, b, c, d }: Performed,
): readonly (number | boolean)[] {
  const at = base + word;
  const q = at >> 1;
  cpu.lo = 0;
  cpu.hi = 0;
  if (cpu.stepped) cpu.at(op, is64(op) ? q * 2 : at);
  const result = (): number | boolean | void => {
    switch (op) {
      case Op.Load:
        return cpu.load(at);
      case Op.Store:
        return cpu.store(at, a);
      case Op.Add:
        return cpu.add(at, a);
      case Op.Or:
        return cpu.or(at, a);
      case Op.And:
        return cpu.and(at, a);
      case Op.Exchange:
        return cpu.exchange(at, a);
      case Op.CompareExchange:
        return cpu.compareExchange(at, a, b);
      case Op.Load64:
        return cpu.load64(q);
      case Op.Store64:
        return cpu.store64(q, a, b);
      case Op.Exchange64:
        return cpu.exchange64(q, a, b);
      case Op.CompareExchange64:
        return cpu.compareExchange64(q, a, b, c, d);
      case Op.Or64:
        return cpu.or64(q, a, b);
      case Op.Pause:
      case Op.Wait:
      case Op.Fence:
        throw new Error('not an operation with a result');
    }
  };
  const value = result();
  return is64(op) && op !== Op.Store64 ? [cpu.lo, cpu.hi, value ?? 0] : [value ?? 0];
}
