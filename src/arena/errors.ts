/** A machine that cannot be laid out, does not fit, or ran out of a pool it was given. */
export class ArenaError extends Error {
  override readonly name = 'ArenaError';
}
