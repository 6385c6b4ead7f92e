/** The origin of a run's numbers: the files it reads, by SHA-256, and the commit of this program. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/schema.js';
import { folderOf, listCheckpoints } from './steps.js';

/** The files that decide a run's numbers: annotations, reasoning, and the weights and settings of base and adapter. */
async function decisiveFiles({ data, model }: Config): Promise<string[]> {
  const given = [data.train, data.val, data.reasoning].filter((file) => file !== undefined);
  const folders = [model.base, model.adapter].filter((folder) => folder !== undefined);
  return [...given, ...(await Promise.all(folders.map(weightFiles))).flat()];
}

async function weightFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  const isWeight = (name: string) =>
    /\.safetensors(\.index\.json)?$/.test(name) || name === 'config.json' || name === 'adapter_config.json';
  const own = names.filter((name) => isWeight(name) && !name.startsWith('._'));
  return [...own.map((name) => join(folder, name)), ...(await runFiles(folder))];
}

/** Of a run whose adapter is taken (adapter.ts): its checkpoints, and what chooses among them. */
async function runFiles(folder: string): Promise<string[]> {
  const checkpoints = join(folder, 'checkpoints');
  const steps = await listCheckpoints(checkpoints);
  if (steps.length === 0) return [];
  const weights = await Promise.all(steps.map((step) => weightFiles(join(checkpoints, folderOf(step)))));
  return [join(folder, 'evaluations.json'), ...weights.flat()];
}

/** SHA-256 by path of every file that a recipe's numbers depend on; files that are not there are left out. */
export async function fileHashes(config: Config): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of await decisiveFiles(config)) {
    const hash = await sha256(file);
    if (hash) hashes[file] = hash;
  }
  return hashes;
}

/** The first file whose hash has changed; files that only one side knows do not count. */
export function changedFile(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): string | undefined {
  return Object.keys(before).find((file) => file in now && now[file] !== before[file]);
}

/** Hashing 8 GB of weights at every start would take longer than loading them, so large files are compared by size. */
const LARGE_FILE_BYTES = 2 ** 30;

/** Hashes by path, size and time of last change: the trials of a sweep read the same files. */
const known = new Map<string, Promise<string>>();

async function sha256(file: string): Promise<string | undefined> {
  const info = await stat(file).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  if (info.size > LARGE_FILE_BYTES) return `not hashed, ${info.size} bytes`;
  const version = `${file}:${info.size}:${info.mtimeMs}:${info.ctimeMs}`;
  const hash = known.get(version) ?? digest(file);
  known.set(version, hash);
  return hash;
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return hash.digest('hex');
}

/** The commit of a checkout; null in an installed package. */
export function gitCommit(): string | null {
  try {
    const command = ['-C', import.meta.dirname, 'rev-parse', 'HEAD'];
    return execFileSync('git', command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
