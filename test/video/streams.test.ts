/** Files whose packets, header or edit list say something else than what a decoder shows; and files cut short. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { probeVideo } from '../../src/video/probe.js';
import { decodeEach, expectSameFrames } from './support/decode.js';
import { ffmpeg, hasEncoder, hasFfmpeg, makeClip } from './support/ffmpeg.js';

const SIZE = { width: 96, height: 64 };
const FRAMES = 36;
const GROUP = 12;

/** One clip a codec, from which the others are cut and remuxed without encoding. */
const CODECS = {
  h264: { encoder: 'libx264', args: x264('open-gop=1:bframes=3:b-adapt=0:scenecut=0') },
  closed: { encoder: 'libx264', args: x264('bframes=3:b-adapt=0:scenecut=0') },
  plain: { encoder: 'libx264', args: x264('bframes=0:scenecut=0') },
  refresh: { encoder: 'libx264', args: x264('intra-refresh=1:bframes=0') },
  hevc: {
    encoder: 'libx265',
    args: [
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params'],
      `keyint=${GROUP}:min-keyint=${GROUP}:bframes=3:b-adapt=0:scenecut=0:open-gop=1:log-level=none`,
    ],
  },
  mpeg2: { encoder: 'mpeg2video', args: ['-c:v', 'mpeg2video', '-bf', '2', '-g', String(GROUP)] },
  mpeg4: { encoder: 'mpeg4', args: ['-c:v', 'mpeg4', '-bf', '2', '-g', String(GROUP)] },
  vp9: {
    encoder: 'libvpx-vp9',
    args: [
      '-c:v',
      'libvpx-vp9',
      '-auto-alt-ref',
      '1',
      '-lag-in-frames',
      '16',
      '-b:v',
      '100k',
      '-cpu-used',
      '4',
    ],
  },
  theora: { encoder: 'libtheora', args: ['-c:v', 'libtheora', '-g', String(GROUP)] },
  wmv2: { encoder: 'wmv2', args: ['-c:v', 'wmv2'] },
  apng: { encoder: 'apng', args: ['-c:v', 'apng'] },
};
type Codec = keyof typeof CODECS;

function x264(params: string): string[] {
  const common = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', String(GROUP)];
  return [...common, '-x264-params', params];
}

describe.skipIf(!hasFfmpeg)(
  `frames are what a decoder shows${hasFfmpeg ? '' : ' (SKIPPED: ffmpeg is not installed)'}`,
  () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'reasvqa-streams-'));
      for (const { name, make } of shown) await make(join(folder, name));
      truths = decodeEach(
        shown.map(({ name }) => join(folder, name)),
        SIZE,
      );
    });
    afterAll(async () => {
      await rm(folder, { recursive: true, force: true });
    });

    /** Files whose frames are compared with a plain decode: one process decodes all of them, before the first test. */
    const shown: { name: string; make: (path: string) => unknown }[] = [];
    let truths: Map<string, Uint8Array[]>;

    const made = new Set<string>();
    /** The clip of a codec at 25 frames a second, which MPEG-2 knows. */
    const source = (codec: Codec, ending: string): string => {
      const path = join(folder, `${codec}.${ending}`);
      if (!made.has(path)) {
        makeClip(path, { rate: '25', frames: FRAMES }, CODECS[codec].args);
        made.add(path);
      }
      return path;
    };
    let files = 0;
    const fresh = (ending: string) => join(folder, `made${++files}.${ending}`);

    const check = (title: string, codec: Codec, body: () => Promise<void>) => {
      const can = hasEncoder(CODECS[codec].encoder);
      test.skipIf(!can)(`${title}${can ? '' : ` (SKIPPED: no ${CODECS[codec].encoder})`}`, body);
    };

    /** @param make writes the file. @param also is checked of the frames that a plain decode gives */
    const shows = (
      title: string,
      codec: Codec,
      ending: string,
      make: (path: string) => unknown,
      also: (truth: Uint8Array[], path: string) => unknown = () => undefined,
    ) => {
      const name = `shown${shown.length}.${ending}`;
      if (hasEncoder(CODECS[codec].encoder)) shown.push({ name, make });
      check(title, codec, async () => {
        const path = join(folder, name);
        await also(await expectSameFrames(path, SIZE, truths.get(path)), path);
      });
    };

    for (const [codec, endings] of [
      ['h264', ['mp4', 'mkv', 'ts', 'avi']],
      ['hevc', ['mp4', 'ts', 'hevc']],
      ['refresh', ['mp4', 'flv', 'ts']],
      ['mpeg2', ['ts', 'm2v']],
    ] as const) {
      for (const ending of endings) {
        // Without the edit list that would hide what cannot be shown.
        const bare = ending === 'mp4' ? ['-use_editlist', '0'] : [];
        shows(
          `${codec} in .${ending} that begins inside an open group`,
          codec,
          ending,
          (path) => ffmpeg('-ss', '0.9', '-i', source(codec, 'ts'), '-c', 'copy', ...bare, path),
          (truth, path) => {
            // MPEG-2 and raw streams list fewer packets or show all; the rest hold pictures no decoder shows.
            if (codec !== 'mpeg2') expect(truth.length).toBeLessThan(packetCount(path));
          },
        );
      }
    }

    for (const codec of ['h264', 'hevc', 'mpeg2'] as const) {
      shows(
        `${codec} in .ts that was cut at any packet`,
        codec,
        'ts',
        async (path) => {
          const bytes = await readFile(source(codec, 'ts'));
          await writeFile(path, bytes.subarray(188 * Math.floor(bytes.length / 188 / 3)));
        },
        (truth) => expect(truth.length).toBeLessThan(FRAMES),
      );
    }

    /** Parts of the clip in seconds, [from, to] each; [-1, to] is an empty edit. */
    const EDITS: Record<string, [number, number][]> = {
      'one part that begins at no keyframe': [[0.6, 1.0]],
      'one part that begins at a keyframe': [[0.48, 1.0]],
      'two parts': [
        [0.12, 0.4],
        [0.8, 1.2],
      ],
      'two parts, the later first': [
        [0.8, 1.2],
        [0.12, 0.4],
      ],
      'the same part twice': [
        [0.4, 0.6],
        [0.4, 0.6],
      ],
      'nothing for a second, then a part': [
        [-1, 1],
        [0.2, 0.8],
      ],
      'a part longer than the clip': [[0, 99]],
    };
    for (const codec of ['closed', 'hevc', 'mpeg4'] as const) {
      for (const [title, edits] of Object.entries(EDITS)) {
        // The joints are where codecs differ.
        if (codec !== 'closed' && edits.length < 2) continue;
        shows(`${codec} in .mp4 with an edit list of ${title}`, codec, 'mp4', async (path) => {
          const whole = source(codec, 'mp4');
          await writeFile(path, withEdits(await readFile(whole), edits, timeScale(whole)));
        });
      }
    }

    for (const [codec, ending] of [
      ['closed', 'mp4'],
      ['closed', 'flv'],
      ['mpeg4', 'mp4'],
    ] as const) {
      shows(`${codec} in .${ending} whose B frames are stamped in decoding order`, codec, ending, (path) =>
        ffmpeg('-i', source(codec, 'mp4'), '-c', 'copy', '-bsf:v', 'setts=pts=DTS', path),
      );
    }

    for (const ending of ['mp4', 'mkv'] as const) {
      shows(
        `HEVC in .${ending} with a restart in its middle`,
        'hevc',
        ending,
        async (path) => {
          const whole = source('hevc', ending);
          await writeFile(path, withRestart(await readFile(whole), whole));
        },
        (truth, path) => expect(truth.length).toBeLessThan(packetCount(path)),
      );
      const split = ['-bsf:v', 'vp9_superframe_split', '-fflags', '-autobsf'];
      shows(
        `VP9 in .${ending} with hidden frames in packets of their own`,
        'vp9',
        ending,
        (path) => ffmpeg('-i', source('vp9', 'webm'), '-c', 'copy', ...split, path),
        (truth, path) => {
          expect(truth.length).toBe(FRAMES);
          expect(packetCount(path)).toBeGreaterThan(FRAMES);
        },
      );
    }

    for (const [title, args] of Object.entries({
      'a late start': ['-output_ts_offset', '5'],
      'a start before zero': ['-output_ts_offset', '-0.35', '-avoid_negative_ts', 'disabled'],
      'negative composition offsets': ['-movflags', 'negative_cts_offsets'],
      fragments: ['-movflags', 'frag_keyframe+empty_moov'],
    })) {
      shows(`H.264 in .mp4 with ${title}`, 'closed', 'mp4', (path) =>
        ffmpeg('-i', source('closed', 'mp4'), '-c', 'copy', ...args, path),
      );
    }

    for (const codec of ['closed', 'hevc', 'mpeg2'] as const) {
      const late = ['-output_ts_offset', '95443', '-mpegts_copyts', '1'];
      shows(
        `${codec} in .ts whose time stamps wrap around`,
        codec,
        'ts',
        (path) => ffmpeg('-i', source(codec, 'ts'), '-c', 'copy', ...late, path),
        (truth) => expect(truth.length).toBe(FRAMES),
      );
      shows(`${codec} in .ts, twice one after the other`, codec, 'ts', async (path) => {
        const bytes = await readFile(source(codec, 'ts'));
        await writeFile(path, Buffer.concat([bytes, bytes]));
      });
    }

    for (const codec of ['mpeg4', 'closed', 'plain'] as const) {
      shows(
        `${codec} in .avi whose header counts frames that are not there`,
        codec,
        'avi',
        async (path) => {
          const bytes = await readFile(source(codec, 'avi'));
          // Frames in the main header, and the length in the stream's.
          bytes.writeUInt32LE(FRAMES + 50, bytes.indexOf('avih') + 8 + 16);
          bytes.writeUInt32LE(FRAMES + 50, bytes.indexOf('strh') + 8 + 32);
          await writeFile(path, bytes);
        },
        async (truth, path) => {
          expect(truth.length).toBe(FRAMES);
          const bytes = await readFile(path);
          const cut = fresh('avi');
          await writeFile(cut, bytes.subarray(0, bytes.length * 0.6));
          await expect(probeVideo(cut, 'v')).rejects.toThrow(/truncated video/);
        },
      );
    }

    shows(
      'an mp4 whose header counts frames that are not there',
      'plain',
      'mp4',
      async (path) => {
        const bytes = await readFile(source('plain', 'mp4'));
        const at = bytes.indexOf('stts') + 12;
        bytes.writeUInt32BE(bytes.readUInt32BE(at) + 20, at);
        await writeFile(path, bytes);
      },
      (truth) => expect(truth.length).toBe(FRAMES),
    );

    for (const [codec, ending, args] of [
      ['closed', 'mp4', []],
      ['closed', 'mp4', ['-movflags', 'faststart']],
      ['closed', 'mp4', ['-movflags', 'frag_keyframe+empty_moov']],
      ['vp9', 'mp4', ['-movflags', 'faststart']],
      ['closed', 'mov', []],
      ['closed', 'mkv', []],
      ['closed', 'mkv', ['-live', '1']],
      ['vp9', 'webm', []],
      ['closed', 'flv', []],
      ['mpeg4', 'avi', []],
      ['closed', 'avi', []],
      ['theora', 'ogv', []],
      ['wmv2', 'wmv', []],
      ['apng', 'apng', []],
    ] as const) {
      check(`${codec} in .${ending} ${args.join(' ')} that was cut short is refused`, codec, async () => {
        const whole = args.length > 0 ? fresh(ending) : source(codec, ending);
        if (args.length > 0) ffmpeg('-i', source(codec, ending), '-c', 'copy', ...args, whole);
        expect((await probeVideo(whole, 'v')).stamps.length).toBe(FRAMES);
        const bytes = await readFile(whole);
        const path = fresh(ending);
        await writeFile(path, bytes.subarray(0, bytes.length * 0.6));
        const error = await probeVideo(path, 'v').catch((thrown) => thrown);
        expect(error).toBeInstanceOf(DataError);
        expect(error.message).toContain(`v: ${path}: truncated video: `);
        expect(error.message).toMatch(/; fetch the file again$/);
      });
    }

    for (const ending of ['mp4', 'mkv', 'flv', 'avi']) {
      check(`bytes after the end of .${ending} are no harm`, 'closed', async () => {
        const path = fresh(ending);
        const tail = Buffer.from('This is no part of the video file.');
        await writeFile(path, Buffer.concat([await readFile(source('closed', ending)), tail]));
        expect((await probeVideo(path, 'v')).stamps.length).toBe(FRAMES);
      });
    }
  },
);

function packetCount(path: string): number {
  const args = ['-v', 'quiet', '-select_streams', 'v', '-show_entries', 'packet=pos', '-of', 'csv=p=0', path];
  return execFileSync('ffprobe', args, { encoding: 'utf8' }).match(/^\S+/gm)?.length ?? 0;
}

const scales = new Map<string, number>();
function timeScale(path: string): number {
  const known = scales.get(path);
  if (known !== undefined) return known;
  const args = ['-v', 'error', '-show_entries', 'stream=time_base', '-of', 'csv=p=0', path];
  const scale = Number(execFileSync('ffprobe', args, { encoding: 'utf8' }).trim().split('/')[1]);
  scales.set(path, scale);
  return scale;
}

/** An mp4 (its moov last, so that no offset moves) with another edit list; the movie's time scale is 1000. */
function withEdits(bytes: Buffer, parts: readonly [number, number][], scale: number): Buffer {
  const boxes: { at: number; size: number }[] = [];
  let from = 0;
  for (const type of ['moov', 'trak', 'edts']) {
    let at = from;
    while (bytes.toString('latin1', at + 4, at + 8) !== type) at += bytes.readUInt32BE(at);
    boxes.push({ at, size: bytes.readUInt32BE(at) });
    from = at + 8;
  }
  const old = boxes[2] as { at: number; size: number };
  // The first frame's composition offset, which the list that ffmpeg wrote begins at.
  const offset = bytes.readInt32BE(old.at + 8 + 16 + 4);
  const list = Buffer.alloc(24 + 12 * parts.length);
  list.writeUInt32BE(list.length, 0);
  list.write('edts', 4);
  list.writeUInt32BE(list.length - 8, 8);
  list.write('elst', 12);
  list.writeUInt32BE(parts.length, 20);
  parts.forEach(([start, end], i) => {
    list.writeUInt32BE(Math.round((end - Math.max(0, start)) * 1000), 24 + 12 * i);
    list.writeInt32BE(start < 0 ? -1 : Math.round(start * scale) + offset, 28 + 12 * i);
    list.writeUInt32BE(0x10000, 32 + 12 * i);
  });
  const out = Buffer.concat([bytes.subarray(0, old.at), list, bytes.subarray(old.at + old.size)]);
  for (const { at, size } of boxes.slice(0, 2)) out.writeUInt32BE(size + list.length - old.size, at);
  return out;
}

/** An HEVC file whose second keyframe, a CRA picture, became a BLA picture: its leading pictures are not shown. */
function withRestart(bytes: Buffer, path: string): Buffer {
  const args = ['-v', 'error', '-show_entries', 'packet=pos,size,flags', '-of', 'json', path];
  const { packets } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' })) as {
    packets: { pos: string; size: string; flags: string }[];
  };
  const second = packets.filter(({ flags }) => flags.startsWith('K'))[1];
  const [cra, bla] = [21 << 1, 16 << 1];
  const out = Buffer.from(bytes);
  const from = Number(second?.pos);
  // The type stands in the first byte after a unit's length, the layer's 1 in the second; a keyframe has one slice.
  for (let at = from + 4; at < from + 64; at++) {
    const length = out.readUInt32BE(at - 4);
    if (out[at] === cra && out[at + 1] === 1 && length > 100 && length < Number(second?.size)) {
      out[at] = bla;
      return out;
    }
  }
  throw new Error(`${path}: no CRA picture in the second keyframe`);
}
