/** The npm package: its content, and its use after installation. */
import { chmod, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasAddon, Installed, root, run } from './installed.js';

const EXAMPLE = join(root, 'test/package/trainAndAsk.mjs');
const SKIPPED = 'SKIPPED: the native addon is not built here (no C++ compiler?), and wasm would take minutes';

let installed: Installed;
beforeAll(async () => {
  installed = await Installed.create();
});
afterAll(() => installed.remove());

describe('the tarball', () => {
  it('holds what runs, and no tests, results, sources of dist or maps', async () => {
    const paths = installed.files.map(({ path }) => path);
    const rooms = new Set(paths.map((path) => path.split('/')[0]));
    expect([...rooms].sort()).toEqual(
      'CHANGELOG.md LICENSE README.md bench dist package.json src tools weights'.split(' '),
    );
    const native = await readdir(join(root, 'src/native'), { recursive: true, withFileTypes: true });
    const sources = native
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
    expect(sources.length).toBeGreaterThan(50);
    expect(paths).toEqual(expect.arrayContaining(sources));
    for (const path of [
      ...[
        'dist/cli.js',
        'dist/index.d.ts',
        'dist/batches/clipWorker.js',
        'tools/build-addon.mjs',
        'tools/setup-tensorflow.sh',
      ],
      ...['weights/shapes/model.safetensors', 'bench/nextqa/reasvqa.yaml'],
      ...['bench/speed/index.mjs', 'bench/speed/workloads/tiny.json'],
    ])
      expect(paths).toContain(path);
    expect(
      // The page's own script and style are read from there when a report is written.
      paths.filter((path) =>
        /^src\/(?!native\/|report\/page\/[^/]+\.(css|js)$|serve\/page\/|.*\.md$)|^test\/|results\/|\.map$|\/\./.test(
          path,
        ),
      ),
    ).toEqual([]);
    const bytes = installed.files.reduce((sum, { size }) => sum + size, 0);
    expect(bytes).toBeLessThan(20e6);
  });

  it('needs no script to be run at installation, nor an override that only a checkout has', async () => {
    const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: boolean; hasInstallScript?: boolean; dependencies?: object }>;
    };
    const { overrides } = JSON.parse(await readFile(installed.path('package.json'), 'utf8')) as {
      overrides: object;
    };
    const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && !dev);
    expect(shipped.length).toBeGreaterThan(10);
    expect(shipped.filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
    const overridden = Object.keys(overrides);
    const wanting = shipped.filter(([, { dependencies = {} }]) =>
      overridden.some((name) => name in dependencies),
    );
    expect(wanting).toEqual([]);
  });
});

describe('an installed package', () => {
  it('knows its version without a setup', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await installed.npx(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('finds its recipes and weights from another folder', async () => {
    const { code, stdout } = await installed.reasvqa(['config', 'bench/shapes/base.yaml', '--json']);
    expect(code).toBe(0);
    expect(stdout).toContain(installed.path('weights/shapes'));
    const missing = await installed.reasvqa(['config', 'bench/none.yaml']);
    expect(missing).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'reasvqa: bench/none.yaml: no such recipe\n',
    });
  });

  it.skipIf(!hasAddon)(`runs the demo${hasAddon ? '' : ` (${SKIPPED})`}`, async () => {
    const args = ['demo', '--clips', '8', '--set', 'train.epochs=1'];
    const { code, stdout, stderr } = await installed.npx(args);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stderr).toMatch(/^engine: native-cpu/);
    expect(stderr).not.toContain('building');
    expect(stdout).toMatch(/answers alone \(beta 0\) +\d/);
    expect(await readdir(join(installed.folder, 'runs/demo'))).toContain('report.html');
  });

  it.skipIf(!hasAddon)(`runs the example of src/README.md${hasAddon ? '' : ` (${SKIPPED})`}`, async () => {
    await cp(EXAMPLE, join(installed.folder, 'example.mjs'));
    const { code, stdout, stderr } = await run(process.execPath, ['example.mjs'], installed.folder);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^native-cpu .*\n\d+ of \d+ validation questions answered right\n.+\? .+\. .*\n$/);
  });

  it('is given the example that src/README.md shows', async () => {
    const [example, readme] = await Promise.all(
      [EXAMPLE, join(root, 'src/README.md')].map((file) => readFile(file, 'utf8')),
    );
    expect(readme).toContain(`\`\`\`js\n${example}\`\`\``);
    expect(example!.trim().split('\n').length).toBeLessThanOrEqual(18);
  });

  it('loads no TensorFlow.js and prints nothing when it is imported', async () => {
    const program = `
      await import('reasvqa');
      const { createRequire } = await import('node:module');
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => /tfjs|sharp/.test(path));
      console.log(JSON.stringify(loaded));`;
    const { stdout, stderr } = await run(
      process.execPath,
      ['--input-type=module', '-e', program],
      installed.folder,
    );
    expect({ stdout, stderr }).toEqual({ stdout: '[]\n', stderr: '' });
  });

  it('has types for its exports', async () => {
    await writeFile(
      join(installed.folder, 'consumer.mts'),
      `import { ask, type Answer, EXIT, loadRun, train, type RunResult } from 'reasvqa';
       const answer: Promise<Answer> = ask(await loadRun('runs/mine'), { video: 'a.mp4', question: 'why?' });
       export const result: Promise<RunResult> = train({ config: {} as Parameters<typeof train>[0]['config'], folder: 'a' });
       export const code: 75 = EXIT.interrupted;
       // @ts-expect-error: a question has a video
       void ask(await loadRun('runs/mine'), { question: 'why?' });
       // @ts-expect-error: the option is a number
       export const option: string = (await answer).option;`,
    );
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = '--noEmit --strict --module nodenext --target es2023 --types node --skipLibCheck'.split(
      ' ',
    );
    const roots = ['--typeRoots', join(root, 'node_modules/@types')];
    const { code, stdout } = await run(
      process.execPath,
      [tsc, ...options, ...roots, 'consumer.mts'],
      installed.folder,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });
});

describe('the first engine of an installed package', () => {
  let programs: string;
  let env: Record<string, string>;
  const kept = () => installed.path('kept');
  beforeAll(async () => {
    // Without the addon and with programs of our own: what a build does is seen, not waited for.
    await mkdir(installed.path('build'), { recursive: true });
    await rename(installed.path('build'), kept());
    programs = join(installed.folder, 'programs');
    env = {
      PATH: programs,
      ...{ HOME: installed.folder, XDG_CACHE_HOME: join(installed.folder, 'cache'), CXX: '' },
      ...{
        LOG: join(installed.folder, 'cmake.log'),
        REASVQA_ADDON: '',
        BUILT: join(kept(), 'Release/reasvqa.node'),
      },
    };
    await mkdir(programs);
    await program('c++', '');
    await program('make', '');
  });

  async function program(name: string, text: string): Promise<void> {
    await writeFile(join(programs, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(programs, name), 0o755);
  }

  /** Stands for CMake: logs its calls, and does as told where it would compile. */
  const cmake = (compile: string) =>
    program(
      'cmake',
      `[ "$1" = --version ] && exit 0\necho "$1" >> "$LOG"\nif [ "$1" = --build ]; then\n${compile}\nfi`,
    );

  async function doctor(...args: string[]) {
    const ran = await installed.reasvqa(['doctor', '--json', ...args], env);
    const { engine, addon } = JSON.parse(ran.stdout) as {
      engine?: { name: string; reason?: string };
      addon: { path: string };
    };
    return { ...ran, engine, addon };
  }

  const builds = async () => {
    const text = await readFile(env.LOG!, 'utf8').catch(() => '');
    await rm(env.LOG!, { force: true });
    return text.split('\n').filter((line) => line === '--build').length;
  };

  it('is wasm where CMake is missing, with what is missing and how to get it', async () => {
    const { code, engine } = await doctor();
    expect({ code, name: engine?.name }).toEqual({ code: 0, name: 'wasm' });
    expect(engine?.reason).toBe(
      'native-cpu cannot be used: cmake not found: install it (Debian and Ubuntu: apt install cmake)',
    );
    const asked = await doctor('--engine', 'native-cpu');
    expect(asked.code).toBe(4);
    expect(asked.stderr).toContain('reasvqa: cmake not found: install it');
  });

  it('is wasm where the sources do not compile, which is tried once and told in a line', async () => {
    await cmake('echo "[1/9] c++ -c a.cc"; echo "a.cc:1:2: error: no such thing"; echo more; exit 1');
    const first = await doctor();
    expect(first.engine?.name).toBe('wasm');
    expect(first.stderr).toContain('building the native engine, this once\n');
    expect(first.engine?.reason).toMatch(
      /^native-cpu cannot be used: cmake failed .* error: no such thing \(all of it, and another try: node /,
    );
    expect(await builds()).toBe(1);
    const second = await doctor();
    expect(second.engine).toEqual(first.engine);
    expect(second.stderr).not.toContain('building');
    expect(await builds()).toBe(0);
    await rm(installed.path('build'), { recursive: true });
  });

  it.skipIf(!hasAddon)('is native-cpu once it was built, in the package or else in the cache', async () => {
    await cmake('mkdir() { /bin/mkdir "$@"; }; mkdir -p "$2/out"; /bin/cp "$BUILT" "$2/out/reasvqa.node"');
    const first = await doctor();
    expect(first.engine?.name).toBe('native-cpu');
    expect(first.addon.path).toBe(installed.path('build/Release/reasvqa.node'));
    expect((await doctor()).stderr).not.toContain('building');
    expect(await builds()).toBe(1);

    // A file in the folder's place stands for a package that only an administrator can write to.
    await rm(installed.path('build'), { recursive: true });
    await writeFile(installed.path('build'), '');
    const other = await doctor();
    expect(other.engine?.name).toBe('native-cpu');
    expect(other.addon.path).toMatch(
      /\/cache\/reasvqa\/addon\/\d+\.\d+\.\d+-[0-9a-f]{16}\/Release\/reasvqa\.node$/,
    );
    expect((await doctor()).stderr).not.toContain('building');
    expect(await builds()).toBe(1);
    await rm(installed.path('build'));
  });
});
