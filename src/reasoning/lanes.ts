/** Hands requests to several endpoints by their weights, in the order in which they asked. */
import type { Lane } from './lane.js';

interface Waiting<L> {
  /** The one that just failed this sample; another is preferred. */
  avoid: L | undefined;
  take: (lane: L) => void;
}

export class Lanes<L extends Lane> {
  private readonly waiting: Waiting<L>[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(readonly all: readonly L[]) {}

  /**
   * Waits until an endpoint may get a request, and counts it as under way there; {@link release} ends it.
   *
   * @throws the signal's reason when aborted.
   */
  async acquire(signal: AbortSignal | undefined, avoid?: L): Promise<L> {
    signal?.throwIfAborted();
    const chosen = this.waiting.length === 0 ? this.choose(avoid) : undefined;
    if (chosen) return this.start(chosen);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(signal?.reason);
      };
      const entry: Waiting<L> = {
        avoid,
        take: (lane) => {
          signal?.removeEventListener('abort', leave);
          resolve(this.start(lane));
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(entry);
      this.dispatch();
    });
  }

  /** Ends a request; call it after its outcome was told to the lane. */
  release(lane: L): void {
    lane.inFlight--;
    this.dispatch();
  }

  private start(lane: L): L {
    lane.inFlight++;
    return lane;
  }

  private dispatch(): void {
    while (this.waiting.length > 0) {
      const lane = this.choose(this.waiting[0]?.avoid);
      if (!lane) break;
      this.waiting.shift()?.take(lane);
    }
    if (this.waiting.length > 0) this.sleep();
  }

  /** The free endpoint with the fewest requests for its weight. */
  private choose(avoid: L | undefined): L | undefined {
    const now = performance.now();
    const load = (lane: L) => (lane.inFlight + 1) / lane.weight;
    let best: L | undefined;
    for (const lane of this.all) {
      if (!lane.isFree(now)) continue;
      if (!best || best === avoid || (lane !== avoid && load(lane) < load(best))) best = lane;
    }
    return best;
  }

  /** Looks again when the next pause ends; everything else that frees an endpoint calls {@link release}. */
  private sleep(): void {
    clearTimeout(this.timer);
    const now = performance.now();
    const ends = this.all.map((lane) => lane.pausedUntil).filter((end) => end > now);
    if (ends.length === 0) return;
    this.timer = setTimeout(() => this.dispatch(), Math.max(1, Math.min(...ends) - now));
  }
}
