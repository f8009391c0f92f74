/** One column per actor, or one for all where the terminal is too narrow: the layout of traces and explanations. */
import { clean, truncate, wrap } from './text.ts';

const GAP = 2;
/** Below this a column says too little: then all actors share one. */
const NARROWEST = 16;
/** Lines of one cell. */
const MAX_CELL_LINES = 2;

export class ActorColumns {
  /** Width of a column. */
  readonly columns: number;
  readonly shared: boolean;
  private readonly shown: readonly number[];
  private readonly names: readonly string[];
  private readonly stepWidth: number;
  private readonly width: number;

  /**
   * @param shown the actors that have a column
   * @param names of all actors, by index
   * @param digits of the largest step
   */
  constructor(shown: readonly number[], names: readonly string[], digits: number, width: number) {
    this.shown = shown;
    this.names = names;
    this.width = width;
    this.stepWidth = Math.max(4, digits);
    const room = width - this.stepWidth;
    const each = Math.floor(room / Math.max(1, shown.length)) - GAP;
    this.shared = each < NARROWEST;
    this.columns = this.shared ? Math.max(1, room - GAP) : each;
  }

  name(actor: number): string {
    return clean(this.names[actor] ?? `actor ${actor}`);
  }

  private place(actor: number): string {
    const before = this.shared ? 0 : this.shown.indexOf(actor) * (this.columns + GAP);
    return ' '.repeat(GAP + before);
  }

  private said(actor: number, text: string): string {
    return this.shared ? `${this.name(actor)}: ${text}` : text;
  }

  /** One line in an actor's column, cut to its width. */
  line(step: string, actor: number, text: string): string {
    return `${step.padStart(this.stepWidth)}${this.place(actor)}${truncate(this.said(actor, text), this.columns)}`;
  }

  /** The same in as many lines as it needs, up to a few. */
  cell(step: string, actor: number, text: string): string[] {
    const lines = wrap(this.said(actor, text), this.columns);
    const rest = lines.slice(MAX_CELL_LINES - 1).join(' ');
    return [...lines.slice(0, MAX_CELL_LINES - 1), ...(rest === '' ? [] : [rest])].map(
      (line, at) =>
        `${(at === 0 ? step : '').padStart(this.stepWidth)}${this.place(actor)}${truncate(line, this.columns)}`,
    );
  }

  /** A line that belongs to no column. */
  across(text: string): string {
    return truncate(`${' '.repeat(this.stepWidth + GAP)}${text}`, this.width);
  }

  header(): string {
    const step = 'step'.padStart(this.stepWidth);
    if (this.shared) return step;
    const names = this.shown.map((actor) => truncate(this.name(actor), this.columns).padEnd(this.columns));
    return `${step}${' '.repeat(GAP)}${names.join(' '.repeat(GAP))}`.trimEnd();
  }
}
