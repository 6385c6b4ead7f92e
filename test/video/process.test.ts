/** The pool of decoders, with stand-ins for ffmpeg and ffprobe: stuck, wild, half dead, too many. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { DataError, MissingToolError, UsageError } from '../../src/base/errors.js';
import { readFrames } from '../../src/video/frames.js';
import { linesOf, runTool } from '../../src/video/process.js';

const windows = process.platform === 'win32';
const NAME = 'q1: /videos/v.mp4';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-pool-'));
  // Read at the first use of the pool.
  vi.stubEnv('REASVQA_DECODERS', '2');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`);
  vi.stubEnv('REASVQA_DECODER_TIMEOUT', '');
  vi.stubEnv('TMPDIR', '');
});

async function standIn(tool: 'ffmpeg' | 'ffprobe', script: string): Promise<void> {
  await writeFile(join(folder, tool), `#!/bin/sh\n${script}\n`);
  await chmod(join(folder, tool), 0o755);
}

async function text(stdout: AsyncIterable<Buffer>): Promise<string> {
  const lines: string[] = [];
  for await (const line of linesOf(stdout)) lines.push(line);
  return lines.join('\n');
}

/** Whether the process whose id the stand-in wrote into `pid` still runs; one that has ended but was not waited for does not. */
async function runs(): Promise<boolean> {
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return state !== undefined && !/\) [ZX] /.test(state);
}

/** A wrapper whose own child holds the output open, as a script around the real tool does. */
const HANGS = () => `sleep 600 & echo $! > ${join(folder, 'pid')}; echo started; wait`;

describe.skipIf(windows)(`runTool${windows ? ' (SKIPPED: needs a shell)' : ''}`, () => {
  test('output, errors and status come back', async () => {
    await standIn('ffmpeg', 'echo one; echo two; echo bad >&2; exit 3');
    const result = await runTool('ffmpeg', [], text, { name: NAME });
    expect(result).toEqual({ status: 3, output: 'one\ntwo', stderr: 'bad\n' });
  });

  test('output larger than a pipe comes whole to a slow reader, and leaves no file behind', async () => {
    const written = Buffer.from(Uint32Array.from({ length: 300_000 }, (_, i) => i).buffer);
    await writeFile(join(folder, 'large'), written);
    await standIn('ffmpeg', `cat ${join(folder, 'large')}`);
    vi.stubEnv('TMPDIR', await mkdtemp(join(folder, 'tmp-')));
    const slowly = async (stdout: AsyncIterable<Buffer>) => {
      const chunks: Buffer[] = [];
      for await (const chunk of stdout) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        chunks.push(Buffer.from(chunk));
      }
      return Buffer.concat(chunks);
    };
    const { output } = await runTool('ffmpeg', [], slowly, { name: NAME });
    expect(output.equals(written)).toBe(true);
    expect(await readdir(tmpdir())).toEqual([]);
  });

  test('output comes where the folder for temporary files is missing', async () => {
    await standIn('ffmpeg', 'echo one; exit 2');
    vi.stubEnv('TMPDIR', join(folder, 'missing'));
    const result = await runTool('ffmpeg', [], text, { name: NAME });
    expect(result).toEqual({ status: 2, output: 'one', stderr: '' });
  });

  test('a silent tool is killed with what it started, and named with the file', async () => {
    await standIn('ffmpeg', HANGS());
    vi.stubEnv('REASVQA_DECODER_TIMEOUT', '1');
    const error = await runTool('ffmpeg', [], text, { name: NAME }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(DataError);
    expect(error).not.toBeInstanceOf(MissingToolError);
    expect(error.message).toMatch(/^q1: \/videos\/v\.mp4: ffmpeg gave nothing for 1 s and was stopped/);
    await vi.waitFor(async () => expect(await runs()).toBe(false));
  });

  test('an aborted tool is killed with what it started, and the reason comes back', async () => {
    await standIn('ffmpeg', HANGS());
    const controller = new AbortController();
    const reason = new Error('enough');
    const read = async (stdout: AsyncIterable<Buffer>) => {
      for await (const _ of stdout) controller.abort(reason);
    };
    const { signal } = controller;
    await expect(runTool('ffmpeg', [], read, { name: NAME, signal })).rejects.toBe(reason);
    await vi.waitFor(async () => expect(await runs()).toBe(false));
  });

  test('a tool whose output is not wanted to its end is killed', async () => {
    await standIn('ffmpeg', 'while :; do echo more; done');
    const read = async (stdout: AsyncIterable<Buffer>) => {
      for await (const chunk of stdout) return chunk.length;
      return 0;
    };
    const { output, status } = await runTool('ffmpeg', [], read, { name: NAME });
    expect(output).toBeGreaterThan(0);
    expect(status).toBe(-1);
  });

  test('time in which this process itself is busy is not silence', async () => {
    await standIn('ffmpeg', 'echo one; sleep 0.3; echo two');
    vi.stubEnv('REASVQA_DECODER_TIMEOUT', '1');
    const work = runTool('ffmpeg', [], text, { name: NAME });
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const end = Date.now() + 1500; Date.now() < end; );
    expect((await work).output).toBe('one\ntwo');
  });

  test('no more than REASVQA_DECODERS run at once', async () => {
    const take = (n: number) => `mkdir ${join(folder, `slot${n}`)} 2>/dev/null; then held=${n}`;
    const script = `if ${take(1)}; elif ${take(2)}; else echo over; fi; sleep 0.05; rmdir ${join(folder, 'slot')}$held`;
    await standIn('ffprobe', script);
    const all = Array.from({ length: 6 }, () => runTool('ffprobe', [], text, { name: NAME }));
    expect((await Promise.all(all)).map(({ output }) => output)).toEqual(Array(6).fill(''));
  });

  test.each([
    'process.exit(0)',
    "process.kill(process.pid, 'SIGTERM')",
    "process.kill(process.pid, 'SIGINT')",
  ])('what a thread runs ends with the process: %s', async (end) => {
    const program = join(folder, 'pool.mjs');
    await build({
      stdin: {
        contents: `import { spawn } from 'node:child_process';
            import { lendDecoders } from './src/video/process.js';
            const { share } = lendDecoders(3);
            const { pid } = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
            Atomics.store(share, 1, pid);
            console.log(pid);
            ${end};
            setInterval(() => undefined, 1000);`,
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      },
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
    });
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await text(child.stdout as AsyncIterable<Buffer>);
    await writeFile(join(folder, 'pid'), said);
    await vi.waitFor(async () => expect(await runs()).toBe(false));
    expect(Number(said)).toBeGreaterThan(1);
  });

  test.each(['0', 'x', '1.5', '-3'])('REASVQA_DECODER_TIMEOUT=%s is refused', async (value) => {
    vi.stubEnv('REASVQA_DECODER_TIMEOUT', value);
    const error = await runTool('ffmpeg', [], text, { name: NAME }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe(`REASVQA_DECODER_TIMEOUT=${value}: expected a whole number from 1 to 1000000`);
  });
});

/** What ffprobe says of a file with three frames of 4x2. */
const PROBED = [
  ...[0, 40, 80].map((pts) => `packet|stream_index=0|pts=${pts}|size=10|pos=N/A|flags=K__`),
  'stream|index=0|codec_name=vp9|width=4|height=2|has_b_frames=0|field_order=unknown|r_frame_rate=25/1|avg_frame_rate=25/1|time_base=1/1000|nb_frames=N/A',
  'format|format_name=matroska,webm',
].join('\n');
const SHOWN = [0, 40, 80].map(
  (pts) => `frame|stream_index=0|key_frame=1|best_effort_timestamp=${pts}|pkt_pos=0`,
);
const PROBES = `case "$*" in *frame=*) cat <<'END'\n${SHOWN.join('\n')}\nEND\n;; *) cat <<'END'\n${PROBED}\nEND\n;; esac`;

describe.skipIf(windows)(
  `a video behind a tool that fails${windows ? ' (SKIPPED: needs a shell)' : ''}`,
  () => {
    let file: string;
    let count = 0;
    beforeEach(async () => {
      // A name of its own each time: tables are kept.
      file = join(folder, `v${++count}.mkv`);
      await writeFile(file, 'bytes of no known container');
      await standIn('ffprobe', PROBES);
    });
    const read = () => readFrames({ path: file, id: 'q1', count: 2, mode: 'uniform' });

    test('frames come out of whole pictures, wherever the pipe cuts them', async () => {
      const picture = (byte: string) =>
        `printf 'P6\\n4 '; sleep 0.02; printf '2\\n255\\n'; printf '${byte}%.0s' 1 2 3 4 5 6 7 8 9 10 11 12; sleep 0.02; printf '${byte}%.0s' 1 2 3 4 5 6 7 8 9 10 11 12`;
      await standIn('ffmpeg', `${picture('a')}; ${picture('b')}`);
      const { data, n, width, height } = await read();
      expect({ n, width, height }).toEqual({ n: 2, width: 4, height: 2 });
      expect(Buffer.from(data).toString()).toBe('a'.repeat(24) + 'b'.repeat(24));
    });

    test.each([
      ['garbage without end', 'exec yes nonsense 2>/dev/null'],
      ['a picture larger than any', "printf 'P6\\n99999 99999\\n255\\n'; cat /dev/zero"],
      ['half of a picture', "printf 'P6\\n4 2\\n255\\nabc'; exit 1"],
      [
        'one picture of two, then death',
        `printf 'P6\\n4 2\\n255\\n'; printf 'x%.0s' ${'1 '.repeat(24)}; kill -9 $$`,
      ],
      ['nothing', 'exit 0'],
    ])('ffmpeg gives %s: a data error with id, file and reason', async (_, script) => {
      await standIn('ffmpeg', script);
      const error = await read().catch((thrown) => thrown);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toBe(
        `q1: ${file}: ffmpeg gave fewer than the 2 frames asked for (no message); did the file change?`,
      );
    });

    test.each([
      ['garbage', 'echo "{]|=|x=|"; echo nonsense'],
      ['half a table, then death', `printf 'packet|stream_index=0|pts=0'; kill -9 $$`],
      ['nothing', 'exit 0'],
    ])('ffprobe gives %s: a data error with id and file', async (_, script) => {
      await standIn('ffprobe', script);
      const error = await read().catch((thrown) => thrown);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toMatch(/: (cannot be read as a video|no video stream in the file)$/);
      expect(error.message).toContain(`q1: ${file}`);
    });
  },
);
