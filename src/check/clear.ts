/** Empties a list and keeps its room: to set `length` is a call into the engine, and the next `push` allocates. */
export function clear(list: unknown[]): void {
  while (list.length > 0) list.pop();
}
