/** One device, one question at a time: the others wait in order, and only so many. */
import { Refusal } from './http.js';

interface Waiting {
  start(): void;
  leave(reason: unknown): void;
  onPlace(place: number): void;
}

/** Seconds that a question is taken to need until one was answered. */
const FIRST_GUESS = 2;

export class DeviceQueue {
  private readonly waiting: Waiting[] = [];
  private busy = false;
  /** Of the last questions, a running mean. */
  private seconds = FIRST_GUESS;

  /** @param most questions that may wait for the one in work */
  constructor(private readonly most: number) {}

  /** Questions that wait. */
  get length(): number {
    return this.waiting.length;
  }

  /**
   * Does work when the device is free.
   *
   * @param signal leaves the queue with its reason; work that has begun watches it itself
   * @param onPlace told the place in the queue: 1 is next, 0 begins
   * @throws Refusal 503 with Retry-After when the queue is full
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal, onPlace: (place: number) => void): Promise<T> {
    signal.throwIfAborted();
    if (this.busy) await this.wait(signal, onPlace);
    this.busy = true;
    const begun = performance.now();
    try {
      onPlace(0);
      return await work();
    } finally {
      this.seconds += ((performance.now() - begun) / 1000 - this.seconds) / 4;
      this.busy = false;
      this.waiting.shift()?.start();
      this.tellPlaces();
    }
  }

  private wait(signal: AbortSignal, onPlace: (place: number) => void): Promise<void> {
    if (this.waiting.length >= this.most) {
      const seconds = Math.max(1, Math.ceil(this.seconds * this.waiting.length));
      throw new Refusal(503, `${this.waiting.length} questions wait already; try again in ${seconds} s`, {
        'retry-after': String(seconds),
      });
    }
    return new Promise<void>((resolve, reject) => {
      const abort = () => {
        this.waiting.splice(this.waiting.indexOf(own), 1);
        own.leave(signal.reason);
        this.tellPlaces();
      };
      const own: Waiting = {
        // Taken at once, so that no question that comes now slips in between.
        start: () => {
          this.busy = true;
          signal.removeEventListener('abort', abort);
          resolve();
        },
        leave: reject,
        onPlace,
      };
      signal.addEventListener('abort', abort, { once: true });
      this.waiting.push(own);
      onPlace(this.waiting.length);
    });
  }

  private tellPlaces(): void {
    for (const [i, { onPlace }] of this.waiting.entries()) onPlace(i + 1);
  }
}
