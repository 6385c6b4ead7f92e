/** DarkEventInfer of any videos with events: one event of each is black, and the question is what happens there. */
import { Rng } from '../../base/random.js';
import { readJsonLines } from '../../data/jsonLines.js';
import { type ProblemLog, shown } from '../../data/problems.js';
import { textSource } from '../../data/textFile.js';
import { inputArgs } from '../process.js';
import { type BuildRequest, type BuildSummary, build, type Film, type FoundVideo } from './build.js';

export const DARK_QUESTION = 'A part of this video is black. What most likely happens in the black part?';

/** Seconds that an event may end after its video, since annotations round. */
const TOLERANCE_SECONDS = 1;

interface VideoEvent {
  start: number;
  end: number;
  text: string;
}

interface AnnotatedVideo {
  video: string;
  line: number;
  events: VideoEvent[];
}

/**
 * Builds dark videos from lines `{"video": ..., "events": [{"start": s, "end": s, "text": ...}, ...]}`, seconds since the first
 * frame. Sound is left out, since it tells what happens.
 *
 * @throws as {@link build}.
 */
export async function buildDark(
  request: BuildRequest & { question?: string | undefined },
): Promise<BuildSummary> {
  const { question = DARK_QUESTION, ...rest } = request;
  return build(rest, { kind: 'dark', question }, async (find, log) => {
    const annotated = await readEvents(request.annotations, log);
    log.throwIfAny();
    const found = await find(annotated.map(({ video }) => video));
    return annotated.flatMap((each, i) => {
      const video = found.get(each.video);
      return video ? (filmOf(each, video, { number: i + 1, question, seed: request.seed }, log) ?? []) : [];
    });
  });
}

async function readEvents(file: string, log: ProblemLog): Promise<AnnotatedVideo[]> {
  const annotated: AnnotatedVideo[] = [];
  const lineOf = new Map<string, number>();
  for await (const { line, record } of readJsonLines(await textSource(file), 'video', log)) {
    const { video, events } = record;
    const unknown = Object.keys(record).find((key) => key !== 'video' && key !== 'events');
    if (unknown !== undefined) log.add(line, unknown, 'video and events', 'an unknown key');
    else if (!isText(video)) log.add(line, 'video', 'a text', shown(video));
    else if (lineOf.has(video))
      log.add(line, 'video', 'a video once', `${shown(video)} again (first on line ${lineOf.get(video)})`);
    else if (!Array.isArray(events) || events.length === 0)
      log.add(line, 'events', 'at least one event', shown(events));
    else {
      lineOf.set(video, line);
      const sound = events.filter((event, i) => isEvent(event, i, line, log)) as VideoEvent[];
      if (sound.length === events.length && isApart(sound, line, log))
        annotated.push({ video, line, events: sound });
    }
  }
  return annotated;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function isEvent(value: unknown, i: number, line: number, log: ProblemLog): boolean {
  const { start, end, text } = (value ?? {}) as Record<string, unknown>;
  const field = `events[${i}]`;
  const isTime = (time: unknown): time is number =>
    typeof time === 'number' && Number.isFinite(time) && time >= 0;
  if (!isTime(start) || !isTime(end) || start >= end)
    log.add(line, field, 'seconds, 0 <= start < end', shown({ start, end }));
  else if (!isText(text)) log.add(line, `${field}.text`, 'a text', shown(text));
  else return true;
  return false;
}

/** Of two events at a time, hiding one hides a part of the other, which the answer would not tell. */
function isApart(events: readonly VideoEvent[], line: number, log: ProblemLog): boolean {
  const inOrder = [...events].sort((a, b) => a.start - b.start);
  const late = inOrder.find((event, i) => i > 0 && event.start < inOrder[i - 1]!.end);
  if (late === undefined) return true;
  const before = inOrder[inOrder.indexOf(late) - 1]!;
  const times = ({ start, end }: VideoEvent) => `${start} to ${end} s`;
  log.add(line, 'events', 'events that do not overlap', `${times(before)} and ${times(late)}`);
  return false;
}

function filmOf(
  { video, line, events }: AnnotatedVideo,
  { path, table, duration }: FoundVideo,
  { number, question, seed }: { number: number; question: string; seed: string },
  log: ProblemLog,
): Film | undefined {
  const outside = events.find(({ end }) => end > duration + TOLERANCE_SECONDS);
  if (outside) {
    log.add(
      line,
      'events',
      `events inside the video (${duration.toFixed(2)} s)`,
      `${outside.start} to ${outside.end} s`,
    );
    return undefined;
  }
  const hideable = events.flatMap((event) => {
    const hidden = Array.from(table.times.keys()).filter(
      (i) => table.times[i]! >= event.start && table.times[i]! < event.end,
    );
    return hidden.length > 0 && hidden.length < table.times.length ? [{ event, hidden }] : [];
  });
  if (hideable.length === 0) {
    log.add(line, 'events', 'an event that has a frame and leaves another to see', 'none');
    return undefined;
  }
  const { event, hidden } = new Rng(`${seed}/dark/${video}`).pick(hideable);
  const name = `dark-${String(number).padStart(5, '0')}`;
  const black = `drawbox=color=black:thickness=fill:enable='between(n,${hidden[0]},${hidden.at(-1)})'`;
  const filter = `setpts=PTS-STARTPTS,${black},pad=ceil(iw/2)*2:ceil(ih/2)*2`;
  return {
    ...{ name, id: video, path },
    encoding: {
      args: [
        ...['-threads', '1', ...inputArgs(path), '-map', `0:${table.stream}`],
        // The times of the frames stay as they are, whatever the rate.
        ...['-filter_threads', '1', '-vf', filter, '-enc_time_base', '-1'],
      ],
      frames: table.times.length,
    },
    samples: [
      {
        ...{ id: `${video}_dark`, dataset: 'dark', video: name, task: 'open', question },
        ...{ answers: [event.text.trim()], type: 'dark', options: [], duration: Number(duration.toFixed(3)) },
      },
    ],
  };
}
