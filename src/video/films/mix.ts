/** MixVidQA of any videos with questions: pieces of two videos alternate, and each question is about one of them. */
import { DataError } from '../../base/errors.js';
import { groupBy } from '../../base/groups.js';
import { Rng } from '../../base/random.js';
import { annotationRows } from '../../data/annotations.js';
import type { Row } from '../../data/datasets/index.js';
import { jsonl } from '../../data/datasets/jsonl.js';
import type { ProblemLog } from '../../data/problems.js';
import { type Sample, taskOf } from '../../data/sample.js';
import { decodeFrames } from '../decode.js';
import { alternate, cutPieces, type Piece } from '../pieces.js';
import { inputArgs } from '../process.js';
import { videoName } from '../source.js';
import { type BuildRequest, type BuildSummary, build, type Film, type FoundVideo } from './build.js';
import type { Encoding } from './encode.js';

/** Seconds of a piece (VersaVid-R1). */
const PIECE_SECONDS = [1.5, 2] as const;
/** Highest rate of a film, in frames a second; it has the rate of the video that is asked about. */
const MAX_RATE = 60;

/** A video, or a part of it, with its questions. */
interface Part {
  video: string;
  start: number | undefined;
  end: number | undefined;
  rows: Row[];
}

/**
 * Builds mixed videos from samples of tasks choice and open. All questions about a video (or the same part of it) share one film;
 * its partner is another video, without a question of the same words.
 *
 * @throws as {@link build}.
 */
export async function buildMix(request: BuildRequest): Promise<BuildSummary> {
  return build(request, { kind: 'mix' }, async (find, log) => {
    const parts = await readParts(request.annotations, log);
    log.throwIfAny();
    const videos = [...new Set(parts.map(({ video }) => video))];
    if (videos.length < 2)
      throw new DataError(
        `${request.annotations}: one video alone (${videos[0]}); a mix needs questions about two or more`,
      );
    const found = await find(videos);
    const there = parts.filter(({ video }) => found.has(video));
    return there.flatMap((part, i) => {
      const rng = new Rng(`${request.seed}/mix/${keyOf(part)}`);
      const partner = partnerOf(part, there, rng, log);
      return partner === undefined ? [] : [filmOf(part, partner, found, { number: i + 1, rng })];
    });
  });
}

async function readParts(file: string, log: ProblemLog): Promise<Part[]> {
  const rows: Row[] = [];
  const onProblem = ({
    line,
    field,
    expected,
    got,
  }: {
    line: number;
    field: string;
    expected: string;
    got: string;
  }) => log.add(line, field, expected, got);
  for await (const row of annotationRows({ dataset: jsonl.name, file, onProblem })) {
    const task = taskOf(row.sample);
    if (task === 'choice' || task === 'open') rows.push(row);
    else log.add(row.line ?? 1, 'task', 'choice or open: a question about one of two videos', task);
  }
  return [...groupBy(rows, ({ sample }) => keyOf(sample)).values()].map((own) => {
    const { video, start, end } = own[0]!.sample;
    return { video, start, end, rows: own };
  });
}

function keyOf({
  video,
  start,
  end,
}: Pick<Part, 'video'> & { start?: number | undefined; end?: number | undefined }): string {
  return JSON.stringify([video, start, end]);
}

const wordsOf = ({ sample }: Row) => sample.question.trim().toLowerCase();

function partnerOf(part: Part, parts: readonly Part[], rng: Rng, log: ProblemLog): Part | undefined {
  const asked = new Set(part.rows.map(wordsOf));
  const others = rng.shuffle(parts.filter(({ video }) => video !== part.video));
  const partner = others.find(({ rows }) => !rows.some((row) => asked.has(wordsOf(row))));
  if (partner === undefined)
    log.add(
      part.rows[0]!.line ?? 1,
      'question',
      'another video without a question of the same words',
      `${others.length} other videos, none of them so`,
    );
  return partner;
}

function filmOf(
  part: Part,
  partner: Part,
  found: ReadonlyMap<string, FoundVideo>,
  { number, rng }: { number: number; rng: Rng },
): Film {
  const own = found.get(part.video)!;
  const rate = Math.min(MAX_RATE, Math.max(1, Math.round(own.table.fps)));
  const sources = [part, partner].map((each) => sourceOf(each, found.get(each.video)!, rate));
  const [least, most] = PIECE_SECONDS.map((seconds) => Math.max(1, Math.round(seconds * rate))) as [
    number,
    number,
  ];
  const lengths = sources.map(({ frames }) => cutPieces(frames, least, most, rng)) as [number[], number[]];
  const pieces = alternate(lengths, rng.int(2) as 0 | 1);
  const name = `mix-${String(number).padStart(5, '0')}`;
  const frames = sources.reduce((sum, source) => sum + source.frames, 0);
  return {
    ...{ name, id: part.video, path: own.path },
    encoding: () => encodingOf(own, sources, { rate, pieces, frames }),
    samples: part.rows.map(({ sample }) => mixedSample(sample, name, frames / rate)),
  };
}

function mixedSample(sample: Sample, video: string, duration: number): Sample {
  const { start: _start, end: _end, reasoning: _reasoning, reasoningCorrect: _correct, ...rest } = sample;
  return { ...rest, id: `${sample.id}_mix`, dataset: 'mix', video, duration: Number(duration.toFixed(3)) };
}

/** What is taken of a video. */
interface Source {
  found: FoundVideo;
  start: number;
  end: number;
  /** Frames at the film's rate. */
  frames: number;
}

/** @throws DataError for a part that lies outside its video */
function sourceOf(
  { start = 0, end = Number.POSITIVE_INFINITY }: Part,
  found: FoundVideo,
  rate: number,
): Source {
  const until = Math.min(end, found.duration);
  const frames = Math.floor((until - start) * rate + 1e-6);
  if (frames < 2)
    throw new DataError(
      `${videoName(found.video, found.path)}: from ${start} s there is nothing to mix, the video ends at ${found.duration.toFixed(2)} s`,
    );
  return { found, start, end: until, frames };
}

/** Both videos at one size and rate, each frame at its piece's place; the two streams then take turns by time. */
async function encodingOf(
  own: FoundVideo,
  sources: readonly Source[],
  { rate, pieces, frames }: { rate: number; pieces: readonly Piece[]; frames: number },
): Promise<Encoding> {
  const [first] = await decodeFrames(own.path, own.video, own.table, [0]);
  const [width, height] = [first!.width, first!.height].map((side) => 2 * Math.ceil(side / 2)) as [
    number,
    number,
  ];
  const box = `scale=${width}:${height}:force_original_aspect_ratio=decrease,pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p`;
  const streams = sources.map(({ found, start, end, frames: own }, side) => {
    const cut = `setpts=PTS-STARTPTS,trim=start=${start}:end=${end},setpts=PTS-STARTPTS,fps=${rate},trim=end_frame=${own}`;
    return `[${side}:${found.table.stream}]${cut},${box},setpts='${placesOf(pieces, side)}'[v${side}]`;
  });
  const inputs = sources.flatMap(({ found }) => ['-threads', '1', ...inputArgs(found.path)]);
  const graph = `${streams.join(';')};[v0][v1]interleave[v]`;
  return {
    args: [
      ...inputs,
      ...['-filter_complex_threads', '1', '-filter_complex', graph, '-map', '[v]', '-r', String(rate)],
    ],
    frames,
    // The last frame of each video may last less than it was counted for.
    missing: 2,
  };
}

/** The place in the film of a video's frame N, as an expression: N and the lengths of the other's pieces before it. */
function placesOf(pieces: readonly Piece[], side: number): string {
  let at = 0;
  let shift = 0;
  const terms = ['N'];
  for (const piece of pieces) {
    const length = piece.to - piece.from;
    if (piece.side === side && at - piece.from !== shift) {
      terms.push(`${at - piece.from - shift}*gte(N,${piece.from})`);
      shift = at - piece.from;
    }
    at += length;
  }
  return terms.join('+');
}
