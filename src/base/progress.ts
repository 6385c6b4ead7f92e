/**
 * Progress on standard error: a bar on a terminal, one plain line every k steps elsewhere. Standard output stays
 * free for results.
 */
import { visible } from './values.js';

/** The part of a stream that progress writes to; `process.stderr` is one. */
interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface ProgressOptions {
  /** What is being done, e.g. `train beta 0.8`. */
  label: string;
  /** How many steps there are; unknown when absent. */
  total?: number;
  stream?: ProgressStream;
  /** What a step is, for the rate: `12.3 samples/s`. */
  unit?: string;
  /** Steps already done when the work begins, for instance by an earlier run; they do not count for the rate. */
  start?: number;
  /** Off a terminal, a line is printed every so many steps; default a twentieth of the total, or 100. */
  every?: number;
  /** Milliseconds, monotonic. */
  now?: () => number;
  env?: Record<string, string | undefined>;
}

export interface Progress {
  /** Shows that `n` steps are done, followed by `info`, e.g. `loss 1.23`. */
  tick(n: number, info?: string | undefined): void;
  /** Prints a line above the bar. */
  say(line: string): void;
  /** Ends the bar with a last line; calling it again does nothing. */
  done(info?: string): void;
}

/** Redrawing more often only costs time. */
const REDRAW_MS = 100;
/** The rate is taken over about this long, so that an estimate follows changes without jumping. */
const WINDOW_MS = 15_000;

/** The bar now drawn on a stream, so that other lines can step around it. */
const drawn = new WeakMap<ProgressStream, Bar>();

export function createProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  const env = options.env ?? process.env;
  const terminal = stream.isTTY === true && env.TERM !== 'dumb';
  return terminal ? new Bar(options, stream, env) : new Lines(options, stream);
}

/** Prints a line on standard error, above a bar if there is one. */
export function say(line: string, stream: ProgressStream = process.stderr): void {
  const bar = drawn.get(stream);
  if (bar) bar.say(line);
  else stream.write(`${visible(line)}\n`);
}

/** Steps a second and the time left, from the last quarter of a minute. */
class Pace {
  private readonly marks: { at: number; n: number }[] = [];
  private readonly begun: number;

  constructor(
    private readonly now: () => number,
    private readonly start: number,
  ) {
    this.begun = now();
    this.marks.push({ at: this.begun, n: start });
  }

  mark(n: number): void {
    const at = this.now();
    this.marks.push({ at, n });
    while (this.marks.length > 2 && at - (this.marks[1] as { at: number }).at > WINDOW_MS) this.marks.shift();
    // A fast loop would keep thousands of marks; every second one gives the same rate.
    if (this.marks.length > 256) for (let i = this.marks.length - 2; i > 0; i -= 2) this.marks.splice(i, 1);
  }

  /** Steps a second; 0 before anything was measured. */
  get rate(): number {
    const first = this.marks[0] as { at: number; n: number };
    const last = this.marks.at(-1) as { at: number; n: number };
    return last.at > first.at ? ((last.n - first.n) * 1000) / (last.at - first.at) : 0;
  }

  /** Steps a second since the beginning. */
  get mean(): number {
    const ms = this.elapsedMs;
    return ms > 0 ? (((this.marks.at(-1) as { n: number }).n - this.start) * 1000) / ms : 0;
  }

  get elapsedMs(): number {
    return this.now() - this.begun;
  }
}

abstract class Base implements Progress {
  protected n: number;
  protected info = '';
  protected ended = false;
  protected readonly pace: Pace;

  constructor(
    protected readonly options: ProgressOptions,
    protected readonly stream: ProgressStream,
  ) {
    this.n = options.start ?? 0;
    this.pace = new Pace(options.now ?? (() => performance.now()), this.n);
  }

  abstract tick(n: number, info?: string | undefined): void;
  abstract say(line: string): void;
  abstract done(info?: string): void;

  protected get now(): number {
    return (this.options.now ?? (() => performance.now()))();
  }

  protected count(): string {
    const { total } = this.options;
    return total === undefined ? `${this.n}` : `${String(this.n).padStart(String(total).length)}/${total}`;
  }

  protected speed(rate: number): string {
    return rate > 0 ? `${formatRate(rate)} ${this.options.unit ?? 'steps'}/s` : '';
  }

  protected left(): string {
    const { total } = this.options;
    const { rate } = this.pace;
    if (total === undefined || rate <= 0 || this.n >= total) return '';
    return `${formatDuration(((total - this.n) / rate) * 1000)} left`;
  }

  protected summary(info?: string): string {
    const parts = [
      this.count(),
      formatDuration(this.pace.elapsedMs),
      this.speed(this.pace.mean),
      info ?? this.info,
    ];
    return `${this.options.label}  ${parts.filter((part) => part !== '').join('  ')}`;
  }
}

class Lines extends Base {
  private next: number;
  private readonly every: number;

  constructor(options: ProgressOptions, stream: ProgressStream) {
    super(options, stream);
    this.every = Math.max(
      1,
      options.every ?? (options.total === undefined ? 100 : Math.ceil(options.total / 20)),
    );
    this.next = this.n + this.every;
  }

  tick(n: number, info = ''): void {
    if (this.ended) return;
    this.n = n;
    this.info = info;
    this.pace.mark(n);
    if (n < this.next || n === this.options.total) return;
    this.next = n + this.every;
    const parts = [this.count(), this.info, this.speed(this.pace.rate), this.left()];
    this.stream.write(`${this.options.label}  ${parts.filter((part) => part !== '').join('  ')}\n`);
  }

  say(line: string): void {
    this.stream.write(`${visible(line)}\n`);
  }

  done(info?: string): void {
    if (this.ended) return;
    this.ended = true;
    this.stream.write(`${this.summary(info)}\n`);
  }
}

class Bar extends Base {
  private shown = Number.NEGATIVE_INFINITY;
  private readonly colour: boolean;

  constructor(options: ProgressOptions, stream: ProgressStream, env: Record<string, string | undefined>) {
    super(options, stream);
    // https://no-color.org: set and not empty means no colour.
    this.colour = !env.NO_COLOR;
    drawn.get(stream)?.done();
    drawn.set(stream, this);
    this.draw();
  }

  tick(n: number, info = ''): void {
    if (this.ended) return;
    this.n = n;
    this.info = info;
    this.pace.mark(n);
    if (this.now - this.shown >= REDRAW_MS || n === this.options.total) this.draw();
  }

  say(line: string): void {
    if (this.ended) {
      this.stream.write(`${visible(line)}\n`);
      return;
    }
    this.stream.write(`\r\x1b[K${visible(line)}\n`);
    this.draw();
  }

  done(info?: string): void {
    if (this.ended) return;
    this.ended = true;
    drawn.delete(this.stream);
    this.stream.write(`\r\x1b[K${this.summary(info)}\n`);
  }

  private draw(): void {
    this.shown = this.now;
    const { label, total } = this.options;
    const columns = Math.max(20, this.stream.columns ?? 80);
    const head = cut(label, Math.floor(columns / 3));
    const parts = [this.count(), this.info, this.speed(this.pace.rate), this.left()];
    let tail = parts.filter((part) => part !== '').join('  ');
    const room = columns - 1 - head.length - tail.length - 4;
    const width = total === undefined ? 0 : Math.min(30, room);
    if (width < 5) {
      tail = cut(tail, columns - 1 - head.length - 2);
      this.stream.write(`\r\x1b[K${head}  ${tail}`);
      return;
    }
    const full = Math.round(width * Math.min(1, Math.max(0, total ? this.n / total : 1)));
    const paint = (code: number, text: string) =>
      this.colour && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
    const bar = paint(36, '━'.repeat(full)) + paint(2, '─'.repeat(width - full));
    this.stream.write(`\r\x1b[K${head}  ${bar}  ${tail}`);
  }
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function formatRate(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2);
}

/** `4.2 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
