/**
 * The peer: another implementation of the same step in a process of its own, driven over pipes. It answers each line
 * "run" on its stdin with one JSON line {"ms", ...} on its stdout, after a first line {"ready": true, "name"} that says
 * what it is; it ends when stdin does. bench/speed/peers/pytorch.py is one.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { median, spread } from './statistics.mjs';

export class Peer {
  /** What it calls itself, with versions. */
  name = '';
  /** Processor time it has taken so far. */
  cpuSeconds = 0;

  /**
   * Starts a peer and waits until it is ready.
   *
   * @param {string[]} command
   * @param {NodeJS.ProcessEnv} env
   * @throws Error with the last line it wrote to stderr when it ends early
   */
  static async open([command, ...arguments_], env) {
    const peer = new Peer(spawn(command, arguments_, { env, stdio: ['pipe', 'pipe', 'pipe'] }));
    const { ready, name } = await peer.next();
    if (!ready) throw new Error(`${command}: expected {"ready": true} as its first line`);
    peer.name = name;
    return peer;
  }

  /** @param {import('node:child_process').ChildProcessWithoutNullStreams} child */
  constructor(child) {
    this.child = child;
    /** @type {string[]} */
    this.lines = [];
    /** @type {{ resolve: (line: string) => void, reject: (error: Error) => void } | undefined} */
    this.waiting = undefined;
    /** @type {Error | undefined} why there will be no more lines */
    this.ended = undefined;
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      errors = (errors + text).slice(-4000);
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.take(line));
    child.on('error', (error) => this.end(error));
    child.on('close', (code, signal) => {
      const last = errors.trim().split('\n').at(-1);
      this.end(new Error(`it ended with ${signal ?? `exit code ${code}`}${last ? `: ${last}` : ''}`));
    });
    // A peer that has ended is noticed by its missing answer.
    child.stdin.on('error', () => {});
  }

  /** Libraries may write to stdout too: only objects are answers. */
  take(line) {
    if (!line.startsWith('{')) return;
    if (this.waiting) this.waiting.resolve(line);
    else this.lines.push(line);
    this.waiting = undefined;
  }

  end(error) {
    this.ended ??= error;
    this.waiting?.reject(this.ended);
    this.waiting = undefined;
  }

  /** Its next answer. @throws Error with the reason when it has ended */
  async next() {
    const line =
      this.lines.shift() ??
      (await new Promise((resolve, reject) => {
        if (this.ended) reject(this.ended);
        else this.waiting = { resolve, reject };
      }));
    return JSON.parse(line);
  }

  /** One run. @returns {Promise<{ ms: number, maxResident: number, cpuSeconds: number }>} */
  async run() {
    this.child.stdin.write('run\n');
    try {
      const answer = await this.next();
      this.cpuSeconds = answer.cpuSeconds ?? 0;
      return answer;
    } catch (error) {
      throw new Error(`the peer stopped: ${error.message}`, { cause: error });
    }
  }

  /**
   * Runs ours and the peer's next to each other, taking turns at going first, so that whatever else the machine does
   * meets both alike.
   *
   * @param {number} count
   * @param {() => number} ours one run, returns its milliseconds
   */
  async pairs(count, ours) {
    const [measured] = await takeTurns([this], count, ours);
    return measured;
  }

  close() {
    this.child.stdin.end();
  }
}

/**
 * As {@link Peer.pairs} for several peers: ours goes first in every second round, last in the others.
 *
 * @param {Peer[]} peers
 * @param {number} count rounds
 * @param {() => number} ours one run, returns its milliseconds
 */
export async function takeTurns(peers, count, ours) {
  /** @type {{ ours: number, theirs: number[] }[]} */
  const rounds = [];
  for (let i = 0; i < count; i++) {
    const first = i % 2 === 0 ? ours() : undefined;
    const theirs = [];
    for (const peer of peers) theirs.push((await peer.run()).ms);
    rounds.push({ ours: first ?? ours(), theirs });
  }
  return peers.map(({ name }, i) => ({
    name,
    ms: median(rounds.map(({ theirs }) => theirs[i])),
    /** How many times faster ours is. */
    ratio: spread(rounds.map((round) => round.theirs[i] / round.ours)),
  }));
}
