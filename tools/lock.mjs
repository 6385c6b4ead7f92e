/**
 * A lock file that two processes can fight over: it names its holder, and one whose holder is gone is taken over.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A holder on another machine cannot be asked whether it lives; its lock counts as left behind after this. */
const STALE_AFTER_MS = 30 * 60_000;
const POLL_MS = 100;
const BEAT_MS = 10_000;

/**
 * Runs `work` while holding the lock at `path`; waits for another holder, saying so once.
 * @template T
 * @param {string} path
 * @param {(line: string) => void} say
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, say, work) {
  const mine = `${process.pid} ${hostname()} ${randomBytes(6).toString('hex')}`;
  let said = false;
  while (!take(path, mine)) {
    const holder = readHolder(path);
    if (holder && isGone(holder, path)) breakLock(path, holder);
    else {
      if (holder && !said) say(`waiting for another setup (process ${holder.pid} on ${holder.host})`);
      said ||= Boolean(holder);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  const beat = setInterval(() => touch(path), BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if (readHolder(path)?.text === mine) rmSync(path, { force: true });
  }
}

function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // Someone removed the lock by hand; the work goes on.
  }
}

/** Appears with its content at once (a hard link), so that no reader sees an empty lock. */
function take(path, mine) {
  const own = `${path}.${mine.replaceAll(' ', '.')}`;
  writeFileSync(own, mine);
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

function readHolder(path) {
  try {
    const text = readFileSync(path, 'utf8');
    const [pid, host] = text.split(' ');
    return { text, pid: Number(pid), host };
  } catch {
    return undefined;
  }
}

function isGone({ pid, host }, path) {
  if (host === hostname()) {
    try {
      process.kill(pid, 0);
    } catch (error) {
      return error.code !== 'EPERM';
    }
  }
  try {
    return Date.now() - statSync(path).mtimeMs > STALE_AFTER_MS;
  } catch {
    return false;
  }
}

/**
 * Removes a dead holder's lock. Another process may do the same and take the lock in between, so the file is moved
 * aside first, looked at, and put back if it is not the one that was judged.
 */
function breakLock(path, judged) {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  try {
    if (readHolder(aside)?.text !== judged.text) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}
