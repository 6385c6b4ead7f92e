/** ActivityNet Captions (Krishna et al. 2017) as grounding: when a described event happens. */
import { isRecord } from '../../base/values.js';
import { type ProblemLog, shown } from '../problems.js';
import { isPair } from '../readers/gsub.js';
import { keyLines } from '../readers/jsonArray.js';
import { clippedSpan, isDuration } from '../readers/spans.js';
import { JsonSyntaxError, parseJson, repeatedKey, type TextSource, textOf } from '../textFile.js';
import type { DatasetRecord, Row } from './dataset.js';

export const activitynet: DatasetRecord = {
  name: 'activitynet',
  title: 'ActivityNet Captions',
  splits: { train: 'train.json', val: 'val_1.json', test: 'val_2.json' },
  trainQuestions: 37_421,
  rows: activitynetRows,
  types: ['moment'],
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};

/**
 * Reads `{"<v_ID>": {"duration": s, "timestamps": [[s, e], ...], "sentences": [...]}}`. As 2D-TAN does, spans are cut to [0,
 * duration], and an event with nothing left is left out. A sample's id is `<v_ID>_<n>`, `n` counting the video's events from 0.
 */
async function* activitynetRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const text = await textOf(source);
  let root: unknown;
  try {
    root = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    log.add(error.line, 'json', 'an object by video', error.message);
    return;
  }
  if (!isRecord(root)) return log.add(1, 'json', 'an object by video', shown(root));
  const again = repeatedKey(text);
  if (again) log.add(again.line, shown(again.key), 'a video used once', 'the key again');
  const lines = keyLines(text);
  yield Object.entries(root).flatMap(([video, entry]) => eventsOf(video, entry, lines.get(video) ?? 1, log));
}

function eventsOf(video: string, entry: unknown, line: number, log: ProblemLog): Row[] {
  const { duration, timestamps, sentences } = isRecord(entry) ? entry : {};
  const bad = (field: string, expected: string, got: unknown): Row[] => {
    log.add(line, `${video}.${field}`, expected, shown(got));
    return [];
  };
  if (video.trim() === '') {
    log.add(line, 'video', 'a video id', shown(video));
    return [];
  }
  if (!isDuration(duration)) return bad('duration', 'seconds, more than 0', duration);
  if (!Array.isArray(timestamps)) return bad('timestamps', '[start, end] pairs in seconds', timestamps);
  if (!Array.isArray(sentences) || sentences.length !== timestamps.length)
    return bad('sentences', `${timestamps.length} texts, one for each of timestamps`, sentences);
  return timestamps.flatMap((times: unknown, n): Row[] => {
    const question: unknown = sentences[n];
    if (!isPair(times)) return bad(`timestamps[${n}]`, '[start, end] in seconds', times);
    if (typeof question !== 'string' || question.trim() === '')
      return bad(`sentences[${n}]`, 'a text', question);
    const span = clippedSpan(...times, duration);
    if (span?.[0] !== times[0] || span[1] !== times[1])
      log.warn(
        line,
        `${video}.timestamps[${n}]`,
        `0 <= start < end, inside the video (${duration} s)`,
        `${shown(times)}; ${span ? 'cut' : 'left out'}`,
      );
    if (!span) return [];
    const sample = {
      id: `${video}_${n}`,
      dataset: activitynet.name,
      video,
      task: 'ground' as const,
      question: question.trim(),
      options: [],
      spans: [span],
      duration,
      type: 'moment',
    };
    return [{ line, sample }];
  });
}
