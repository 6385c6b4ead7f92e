/**
 * tools/setup-tensorflow.sh in a stand-in checkout: npm, compiler and Python are small programs, so that its checks,
 * its undoing and its repetition are tested without network, TensorFlow or minutes.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../tools/setup-tensorflow.sh', import.meta.url));

/** Installs a package whose binding can be built and, through the project's tfjs-core, tried. */
const NPM = `#!${process.execPath}
const fs = require('node:fs'), path = require('node:path');
const args = process.argv.slice(2);
fs.appendFileSync(process.env.LOG, 'npm ' + args.filter((a) => a.startsWith('-')).join(' ') + ' ' + args.at(-1) + '\\n');
if (process.env.NPM_FAILS) { console.error('npm error code ENOTFOUND'); process.exit(1); }
const name = args.at(-1).replace(/@4.*/, '');
const modules = path.join(args[args.indexOf('--prefix') + 1], 'node_modules');
const write = (file, text) => {
  fs.mkdirSync(path.dirname(path.join(modules, file)), { recursive: true });
  fs.writeFileSync(path.join(modules, file), text);
};
for (const copy of ['tfjs-core', 'tfjs-layers', 'tfjs-backend-cpu'])
  write('@tensorflow/' + copy + '/index.js', 'exports.engine = () => "another";');
write(name + '/package.json', JSON.stringify({ name, version: '4.22.0' }));
write(name + '/index.js', \`
  if (require('node:fs').readFileSync(__dirname + '/lib/napi-v8/tfjs_binding.node', 'utf8') !== 'built') throw new Error('no binding');
  exports.engine = require('@tensorflow/tfjs-core').engine;
  exports.matMul = () => ({ dataSync: () => [\${process.env.PRODUCT ?? 11}] });\`);
if (process.env.NPM_WAITS) { fs.appendFileSync(process.env.LOG, 'waiting\\n'); setTimeout(() => {}, 1e9); }
`;

/** Links the version probe into a script that prints TF_VERSION, and the binding into the word "built". */
const COMPILER = `#!/bin/bash
out=
for ((i = 1; i <= $#; i++)); do [ "\${!i}" = -o ] && { j=$((i + 1)); out=\${!j}; }; done
case "$*" in
  *-shared*)
    echo 'c++ binding' >>"$LOG"
    [ -z "$CXX_FAILS" ] || { echo 'tfjs_backend.cc:1: error: no such type'; exit 1; }
    printf built >"$out" ;;
  *)
    [ -z "$LINK_FAILS" ] || { echo 'ld: file not recognized' >&2; exit 1; }
    printf '#!/bin/bash\\necho "\${TF_VERSION:-2.21.0}"\\n' >"$out"
    chmod +x "$out" ;;
esac
`;

/** A Python whose tensorflow is the stand-in folder. */
const PYTHON = `#!/bin/bash
[ -z "$PY_FAILS" ] || { echo "ModuleNotFoundError: No module named 'tensorflow'" >&2; exit 1; }
printf '%s\\n' "\${PY_VERSION:-2.21.0}" "$TF/include" "$TF/lib" "\${PY_KIND:-cpu}"
`;

let parent: string;
let root: string;
let library: string;
beforeEach(async () => {
  parent = await realpath(await mkdtemp(join(tmpdir(), 'reasvqa tensorflow ')));
  root = join(parent, 'a clone');
  library = join(parent, 'libtensorflow');
  const write = async (path: string, text: string, mode = 0o644) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    await chmod(path, mode);
  };
  await mkdir(join(root, 'tools'), { recursive: true });
  await cp(SCRIPT, join(root, 'tools/setup-tensorflow.sh'));
  await write(join(root, 'node_modules/node-api-headers/include/node_api.h'), '');
  await write(join(root, 'node_modules/node-api-headers/package.json'), '{"version":"1.9.0"}');
  for (const name of ['tfjs-core', 'tfjs-layers', 'tfjs-backend-cpu'])
    await write(join(root, 'node_modules/@tensorflow', name, 'index.js'), 'exports.engine = () => "ours";');
  for (const header of ['c/c_api.h', 'c/eager/c_api.h', 'core/platform/ctstring_internal.h'])
    await write(join(library, 'include/tensorflow', header), '');
  for (const name of ['libtensorflow.so.2', 'libtensorflow_framework.so.2'])
    await write(join(library, 'lib', name), 'v1');
  await write(join(parent, 'bin/npm'), NPM, 0o755);
  await write(join(parent, 'bin/c++'), COMPILER, 0o755);
  await write(join(parent, 'bin/python3'), PYTHON, 0o755);
});
afterEach(() => rm(parent, { recursive: true }));

function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn('bash', [join(root, 'tools/setup-tensorflow.sh'), ...args], {
    cwd: parent,
    env: {
      PATH: `${join(parent, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
      LOG: join(parent, 'log'),
      TF: library,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const done = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stderr })),
  );
  return { child, done };
}

const run = (args: string[], env?: Record<string, string>) => start(args, env).done;
const fromFolder = () => ['--libtensorflow', library];
const built = () => {
  try {
    return readdirSync(join(root, 'build'));
  } catch {
    return [];
  }
};
const binding = (name = 'tfjs-node') =>
  join(root, `build/tensorflow/node_modules/@tensorflow/${name}/lib/napi-v8/tfjs_binding.node`);
const steps = async () => {
  const path = join(parent, 'log');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  await rm(path, { force: true });
  return lines;
};

const describeHere = process.platform === 'linux' ? describe : describe.skip;

describeHere('setup-tensorflow.sh', () => {
  it('builds against a folder, without the download and with one tfjs-core; a second call does nothing', async () => {
    const first = await run(['--libtensorflow', 'libtensorflow']);
    expect(first.stderr).toContain('done: @tensorflow/tfjs-node 4.22.0 on TensorFlow 2.21.0');
    expect(first.code).toBe(0);
    expect(await steps()).toEqual([
      'npm --prefix --ignore-scripts --no-audit --no-fund --loglevel=error @tensorflow/tfjs-node@4.22.0',
      'c++ binding',
    ]);
    expect(readFileSync(binding(), 'utf8')).toBe('built');
    expect(readdirSync(join(root, 'build/tensorflow/node_modules/@tensorflow'))).toEqual(['tfjs-node']);
    expect(built()).toEqual(['tensorflow']);

    const second = await run(fromFolder());
    expect(second).toEqual({
      code: 0,
      stderr: 'setup-tensorflow: up to date: @tensorflow/tfjs-node 4.22.0 on TensorFlow 2.21.0\n',
    });
    expect(await steps()).toEqual([]);
  });

  it("builds against a Python's TensorFlow, and the GPU package against one with CUDA", async () => {
    expect((await run(['--python', 'python3'])).code).toBe(0);
    expect(existsSync(binding())).toBe(true);
    expect((await run(['--python', 'python3', '--gpu'], { PY_KIND: 'cuda' })).code).toBe(0);
    expect(existsSync(binding('tfjs-node-gpu'))).toBe(true);
    expect(existsSync(binding())).toBe(false);
    expect(built()).toEqual(['tensorflow']);
  });

  it('builds again when the library has changed', async () => {
    await run(fromFolder());
    await steps();
    await writeFile(join(library, 'lib/libtensorflow.so.2'), 'version two');
    expect((await run(fromFolder())).code).toBe(0);
    expect(await steps()).toHaveLength(2);
    await rm(binding());
    expect((await run(fromFolder())).code).toBe(0);
    expect(await steps()).toHaveLength(2);
  });

  const failures: [string, Record<string, string>, RegExp][] = [
    [
      'npm',
      { NPM_FAILS: '1' },
      /npm install @tensorflow\/tfjs-node@4\.22\.0 failed: npm error code ENOTFOUND/,
    ],
    ['the compiler', { CXX_FAILS: '1' }, /building failed: tfjs_backend\.cc:1: error: no such type/],
    ['trying it', { PRODUCT: '12' }, /built but does not work: Error: a product gave 12, expected 11/],
  ];

  it.each(failures)('%s fails: nothing is left', async (_, env, message) => {
    const { code, stderr } = await run(fromFolder(), env);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/nothing was changed\n$/);
    expect(code).toBe(4);
    expect(built()).toEqual([]);
  });

  it.each(failures)('%s fails: what was there still is', async (_, env, message) => {
    await run(fromFolder());
    await writeFile(join(library, 'lib/libtensorflow.so.2'), 'version two');
    const before = readFileSync(join(root, 'build/tensorflow/stamp'), 'utf8');
    const { code, stderr } = await run(fromFolder(), env);
    expect(stderr).toMatch(message);
    expect(code).toBe(4);
    expect(built()).toEqual(['tensorflow']);
    expect(readFileSync(binding(), 'utf8')).toBe('built');
    expect(readFileSync(join(root, 'build/tensorflow/stamp'), 'utf8')).toBe(before);
  });

  it('stopped in the middle: nothing is left', async () => {
    const { child, done } = start(fromFolder(), { NPM_WAITS: '1' });
    while (!existsSync(join(parent, 'log')) || !readFileSync(join(parent, 'log'), 'utf8').includes('waiting'))
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(built()).toEqual(['tensorflow.new']);
    process.kill(-child.pid!, 'SIGTERM');
    const { code, stderr } = await done;
    expect(code).toBe(143);
    expect(stderr).toContain('nothing was changed');
    expect(built()).toEqual([]);
  });

  it.each<[string, () => string[], Record<string, string>, RegExp]>([
    ['no folder', () => ['--libtensorflow', '/nowhere'], {}, /--libtensorflow \/nowhere: no such folder/],
    ['no Python', () => ['--python', '/nowhere'], {}, /--python \/nowhere: no such program/],
    [
      'a Python without tensorflow',
      () => ['--python', 'python3'],
      { PY_FAILS: '1' },
      /No module named 'tensorflow'\); install one with: python3 -m pip install tensorflow_cpu/,
    ],
    [
      'two versions mixed',
      () => ['--python', 'python3'],
      { PY_VERSION: '2.20.0' },
      /says TensorFlow 2\.20\.0, and .* says 2\.21\.0: two installations are mixed/,
    ],
    [
      'the GPU package without CUDA',
      () => ['--python', 'python3', '--gpu'],
      {},
      /--gpu: .* built without CUDA/,
    ],
    [
      'a TensorFlow that is too old',
      fromFolder,
      { TF_VERSION: '2.8.4' },
      /TensorFlow 2\.8\.4 is too old: expected 2\.9/,
    ],
    [
      'a library of another kind',
      fromFolder,
      { LINK_FAILS: '1' },
      /cannot be linked \(ld: file not recognized\)/,
    ],
    [
      'no compiler',
      fromFolder,
      { CXX: 'no-such-compiler' },
      /no-such-compiler not found: install a C\+\+ compiler/,
    ],
  ])('%s: stops before anything is made', async (_, args, env, message) => {
    const { code, stderr } = await run(args(), env);
    expect(stderr).toMatch(message);
    expect(code).toBe(4);
    expect(await steps()).toEqual([]);
    expect(built()).toEqual([]);
  });

  it.each([
    ['include/tensorflow/c/eager/c_api.h', /no tensorflow\/c\/eager\/c_api\.h; expected the C headers/],
    ['lib/libtensorflow.so.2', /lib: no libtensorflow\.so\.2; expected the libraries/],
    ['lib/libtensorflow_framework.so.2', /no libtensorflow_framework\.so\.2/],
  ])('without %s: stops before anything is made', async (file, message) => {
    await rm(join(library, file));
    const { code, stderr } = await run(fromFolder());
    expect(stderr).toMatch(message);
    expect(stderr.match(/nothing was changed/g)).toHaveLength(1);
    expect(code).toBe(4);
    expect(await steps()).toEqual([]);
  });

  it.each([
    [[], /expected --python PYTHON or --libtensorflow FOLDER/],
    [['--python'], /--python: expected a path after it/],
    [['--python', 'a', '--libtensorflow', 'b'], /not both/],
    [['--fast'], /--fast: unknown option/],
  ])('wrong options %j: exit code 2', async (args, message) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
