/**
 * The package as a user has it: what `npm pack` makes, unpacked in node_modules of a folder of its own. Its dependencies
 * are those of the checkout, linked one by one, so that what package.json does not name cannot be imported; the addon is
 * the checkout's, which has the same sources.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const ADDON = join(root, 'build/Release');
export const hasAddon = existsSync(join(ADDON, 'reasvqa.stamp'));

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, whatever its exit code. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Outcome> {
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

export interface PackedFile {
  path: string;
  size: number;
}

/** A folder that has the package installed. */
export class Installed {
  private constructor(
    readonly folder: string,
    readonly files: PackedFile[],
  ) {}

  /** `npm pack` and what `npm install` does with it. */
  static async create(): Promise<Installed> {
    const folder = await mkdtemp(join(tmpdir(), 'reasvqa package '));
    const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], root);
    if (packed.code !== 0) throw new Error(`npm pack failed:\n${packed.stderr}`);
    // What prepack prints stands before it.
    const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [
      { filename: string; files: PackedFile[] },
    ];
    const installed = new Installed(folder, files);
    await installed.unpack(filename);
    if (hasAddon) await cp(ADDON, installed.path('build/Release'), { recursive: true });
    return installed;
  }

  private async unpack(tarball: string): Promise<void> {
    await mkdir(this.path('.'), { recursive: true });
    const unpacked = await run(
      'tar',
      ['-xzf', tarball, '--strip-components=1', '-C', this.path('.')],
      this.folder,
    );
    if (unpacked.code !== 0) throw new Error(unpacked.stderr);
    const { dependencies, bin } = JSON.parse(await readFile(this.path('package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      bin: Record<string, string>;
    };
    for (const name of Object.keys(dependencies))
      await link(join(root, 'node_modules', name), join(this.folder, 'node_modules', name));
    for (const [name, path] of Object.entries(bin))
      await link(this.path(path), join(this.folder, 'node_modules/.bin', name));
  }

  /** A path inside the package. */
  path(name: string): string {
    return join(this.folder, 'node_modules/reasvqa', name);
  }

  /** `npx reasvqa ...` in the folder. */
  npx(args: readonly string[]): Promise<Outcome> {
    return run('npx', ['--no-install', 'reasvqa', ...args], this.folder);
  }

  /** As {@link npx} without npm, which takes longer than most commands. */
  reasvqa(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    return run(process.execPath, [join(this.folder, 'node_modules/.bin/reasvqa'), ...args], this.folder, env);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

async function link(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await symlink(from, to);
}
