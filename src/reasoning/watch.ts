/** The time limits of one attempt. */

/** Aborts an attempt that is silent or endless, or when the run is stopped. */
export class Watch {
  /** Why the attempt was given up, if it was. */
  expired: string | undefined;
  /** Milliseconds to the first byte; undefined before it. */
  firstMs: number | undefined;
  private readonly begun = performance.now();
  private readonly controller = new AbortController();
  private readonly idle: NodeJS.Timeout;
  private readonly total: NodeJS.Timeout;
  private readonly stop = () => this.controller.abort(this.outer?.reason);

  constructor(
    idleMs: number,
    totalMs: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    this.idle = this.timer(idleMs, `no data for ${idleMs / 1000} s`);
    this.total = this.timer(totalMs, `no end within ${totalMs / 1000} s`);
    outer?.addEventListener('abort', this.stop, { once: true });
    if (outer?.aborted) this.stop();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The server sent something. */
  heard(): void {
    this.firstMs ??= performance.now() - this.begun;
    this.idle.refresh();
  }

  end(): void {
    clearTimeout(this.idle);
    clearTimeout(this.total);
    this.outer?.removeEventListener('abort', this.stop);
  }

  private timer(ms: number, why: string): NodeJS.Timeout {
    return setTimeout(() => {
      this.expired = why;
      this.controller.abort(new Error(why));
    }, ms);
  }
}
