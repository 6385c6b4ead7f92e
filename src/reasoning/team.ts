/** Asks one of several servers about a sample, and again, there or elsewhere, where that can help. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Attempted, Endpoint, TeacherRequest } from './endpoint.js';
import type { Accepted, Failure, FailureScope } from './judge.js';
import { Lane } from './lane.js';
import { Lanes } from './lanes.js';
import { type Backoff, backoffMs, LONGEST_RETRY_AFTER_MS } from './retry.js';

/** Failures in a row after which a server is set aside, where there is another. */
const FAILURES = 5;

/** Lets requests through one by one. */
export interface RequestGate {
  /** Waits until a request may be sent; throws when none may be any more. */
  enter(signal: AbortSignal | undefined): Promise<void>;
  /** The request ended. `servedAs` is the model's name at its server. */
  leave(usage: Accepted['usage'], servedAs: string): void;
}

export class TeacherError extends Error {
  constructor(
    message: string,
    readonly scope: FailureScope,
    readonly attempts: number,
    /** The proxy failed; the server heard nothing. */
    readonly atProxy = false,
  ) {
    super(message);
    this.name = 'TeacherError';
  }
}

/** An endpoint, its load and how it fares. */
export class Server extends Lane {
  /** Failures in a row, and the last of them. */
  failures = 0;
  lastFailure: Failure | undefined;
  /** How often it failed when it was tried again. */
  relapses = 0;

  constructor(readonly endpoint: Endpoint) {
    super(endpoint.weight);
  }

  get name(): string {
    return `teacher at ${this.endpoint.address.base}`;
  }
}

/** When a request was sent, and how many were under way at its server then. */
interface Sent {
  at: number;
  load: number;
}

interface TeamOptions {
  backoff: Backoff;
  slowMs: number;
  onNotice: ((line: string) => void) | undefined;
}

export class Team {
  private readonly lanes: Lanes<Server>;

  constructor(
    private readonly servers: readonly Server[],
    private readonly options: TeamOptions,
  ) {
    this.lanes = new Lanes(servers);
  }

  /** @throws TeacherError when no attempt succeeded; the signal's reason when aborted; what the gate throws. */
  async complete(
    request: TeacherRequest,
    signal: AbortSignal | undefined,
    gate: RequestGate | undefined,
  ): Promise<Accepted & { attempts: number; server: Endpoint }> {
    const { backoff } = this.options;
    let last: Server | undefined;
    // A server that cannot answer anybody costs the sample none of its retries while another one can.
    let retries = 0;
    for (let attempts = 1; ; attempts++) {
      const { server, result } = await this.attempt(request, signal, gate, last);
      if ('text' in result) return { ...result, attempts, server: server.endpoint };
      const elsewhere = this.servers.some((other) => other !== server && !other.aside);
      const moves = result.scope === 'run' && elsewhere;
      if (!moves && (this.isHopeless(result, server) || retries >= backoff.retries)) {
        throw new TeacherError(
          this.messageOf(server, result),
          this.scopeOf(result, server),
          attempts,
          result.atProxy,
        );
      }
      last = server;
      if (moves) continue;
      await sleep(backoffMs(backoff, retries++, elsewhere ? 0 : result.retryAfterMs), signal);
    }
  }

  private async attempt(
    request: TeacherRequest,
    signal: AbortSignal | undefined,
    gate: RequestGate | undefined,
    last: Server | undefined,
  ): Promise<{ server: Server; result: Accepted | Failure }> {
    await gate?.enter(signal);
    let usage: Accepted['usage'];
    let servedAs = '';
    try {
      const server = await this.lanes.acquire(signal, last);
      servedAs = server.endpoint.model;
      try {
        const sent = { at: performance.now(), load: server.inFlight };
        const attempted = await server.endpoint.attempt(request, signal);
        usage = attempted.result.usage;
        this.learn(server, attempted, sent);
        return { server, result: attempted.result };
      } finally {
        this.lanes.release(server);
      }
    } finally {
      gate?.leave(usage, servedAs);
    }
  }

  /** What an attempt says about its server. */
  private learn(server: Server, { result, firstByteMs = 0 }: Attempted, sent: Sent): void {
    const now = performance.now();
    if ('text' in result) {
      if (firstByteMs > this.options.slowMs) server.slowDown(sent.at, sent.load, now);
      else server.speedUp();
    }
    // A decision about the sample is an answer too.
    if ('text' in result || (result.scope === 'sample' && !result.retry)) {
      if (server.aside) this.options.onNotice?.(`${server.name} answers again`);
      server.aside = false;
      server.failures = server.relapses = 0;
      server.lastFailure = undefined;
      return;
    }
    const again = server.lastFailure?.busy;
    server.failures++;
    server.lastFailure = result;
    if (result.busy) {
      server.slowDown(sent.at, sent.load, now);
      // One answer of this kind holds back its sample alone, two in a row the server.
      if (again && result.retryAfterMs > 0)
        server.pause(now + Math.min(result.retryAfterMs, LONGEST_RETRY_AFTER_MS));
    }
    if (this.servers.length > 1 && (result.scope === 'run' || server.failures >= FAILURES))
      this.setAside(server, result, sent.at, now);
  }

  private setAside(server: Server, { message, retryAfterMs }: Failure, sentAt: number, now: number): void {
    // Of the requests that were under way together, one decides.
    if (server.aside && sentAt < server.pausedUntil) return;
    const ms = backoffMs(this.options.backoff, server.relapses++, retryAfterMs);
    if (!server.aside)
      this.options.onNotice?.(
        `${server.name}: ${message}; set aside, tried again in ${(ms / 1000).toFixed(1)} s and from time to time`,
      );
    server.aside = true;
    server.pause(now + ms);
  }

  /** Whether another attempt cannot help: a decision about the sample, or no server that could ever answer. */
  private isHopeless({ scope, retry }: Failure, server: Server): boolean {
    const dead = (other: Server) =>
      other === server || (other.lastFailure?.scope === 'run' && !other.lastFailure.retry);
    return !retry && (scope === 'sample' || this.servers.every(dead));
  }

  private scopeOf({ scope }: Failure, server: Server): FailureScope {
    const down = (other: Server) => other === server || other.lastFailure?.scope === 'run';
    return scope === 'run' && this.servers.every(down) ? 'run' : 'sample';
  }

  private messageOf(server: Server, { message }: Failure): string {
    return this.servers.length > 1 ? `${server.endpoint.address.base}: ${message}` : message;
  }
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await wait(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
