/**
 * How many requests one endpoint gets at once: additive increase, multiplicative decrease. The number falls to 70 %, as in
 * CUBIC (RFC 9438), when the server says that it is busy or lets a request wait too long for its first byte. It comes
 * back quickly to 90 % of where it was, then by one for every `limit` answers. So a server that turns single requests
 * away by chance keeps its load, and one with a true limit is pushed over it rarely.
 */
export class Lane {
  /** Requests under way. */
  inFlight = 0;
  /** No request before this time, in milliseconds of `performance.now()`. */
  pausedUntil = 0;
  /** Set aside because it failed: one request at a time until it answers. */
  aside = false;
  /** Requests at once; infinite until the server shows its limit. */
  limit = Number.POSITIVE_INFINITY;
  /** Up to here the limit grows by one an answer. */
  private proven = 0;
  /** Requests sent before this time tell of the load before the last cut. */
  private cutAt = Number.NEGATIVE_INFINITY;

  /** @param weight share of the requests among several endpoints. */
  constructor(readonly weight: number) {}

  /** Whether a request may be sent. */
  isFree(now: number): boolean {
    return now >= this.pausedUntil && this.inFlight < (this.aside ? 1 : Math.floor(this.limit));
  }

  /** An answer came: the limit grows. */
  speedUp(): void {
    if (this.limit === Number.POSITIVE_INFINITY) return;
    if (this.limit < this.proven) this.limit = Math.min(this.limit + 1, this.proven);
    else this.limit += 1 / this.limit;
  }

  /**
   * Lowers the number of requests at once, once for all that were under way together.
   *
   * @param sentAt when the request was sent that showed it, and how many were under way then, it included.
   */
  slowDown(sentAt: number, load: number, now: number): void {
    if (sentAt < this.cutAt) return;
    this.cutAt = now;
    const reached = Math.min(this.limit, load);
    this.limit = Math.max(1, 0.7 * reached);
    this.proven = 0.9 * reached;
  }

  /** Sends nothing before `until`. */
  pause(until: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, until);
  }
}
