/** The model found itself in a state where the kernel would BUG(): a violation, not a defect of the harness. */
export class KernelBug extends Error {
  override readonly name: string = 'KernelBug';
  /** The invariant that such a state breaks, or `BUG` where none has that name. */
  readonly id: string;
  /** Words of the arena involved. */
  readonly words: readonly number[];
  constructor(id: string, message: string, words: readonly number[] = []) {
    super(message);
    this.id = id;
    this.words = words;
  }
}
