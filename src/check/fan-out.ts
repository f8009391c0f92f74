/**
 * One observer for several. A hook that nobody overrides stays the empty one of the base class, a hook with one listener
 * is bound to it, and only the others loop: the model calls hooks on its hot paths.
 */
import { Observer } from '../mmu/observer.ts';

type Hook = (...args: unknown[]) => void;

const HOOKS = Object.getOwnPropertyNames(Observer.prototype).filter((name) => name !== 'constructor');

/** No hook has more arguments than this. Passing all of them costs less than collecting those that there are. */
const callAll =
  (hooks: readonly Hook[]): Hook =>
  (a, b, c, d, e, f) => {
    for (let i = 0; i < hooks.length; i++) hooks[i]!(a, b, c, d, e, f);
  };

/** @param listeners called in this order */
export function fanOut(listeners: readonly Observer[]): Observer {
  const observer = new Observer();
  const target = observer as unknown as Record<string, Hook>;
  const base = Observer.prototype as unknown as Record<string, Hook>;
  for (const name of HOOKS) {
    const hooks = listeners.flatMap((listener) => {
      const hook = (listener as unknown as Record<string, Hook>)[name]!;
      return hook === base[name] ? [] : [hook.bind(listener)];
    });
    if (hooks.length === 1) target[name] = hooks[0]!;
    else if (hooks.length > 1) target[name] = callAll(hooks);
  }
  return observer;
}
