/** NExT-GQA (Xiao et al. 2024, github.com/doc-doc/NExT-GQA): questions of NExT-QA, each with the spans that show its answer. */

import { type ProblemLog, shown } from '../problems.js';
import { splitOf } from '../readers/beside.js';
import { type CsvLayout, csvSamples } from '../readers/csv.js';
import { type GroundedVideo, gsubBeside, readGsub } from '../readers/gsub.js';
import { isInside } from '../readers/spans.js';
import type { Span } from '../sample.js';
import type { TextSource } from '../textFile.js';
import type { DatasetRecord, Row } from './dataset.js';

/** As NExT-QA's csv, but the video column is `video_id`, and `answer` has the text of the right option. */
const LAYOUT: CsvLayout = {
  dataset: 'nextgqa',
  videoColumn: 'video_id',
  types: ['CW', 'CH', 'TN', 'TC', 'TP'],
  optionCount: 5,
  answerIsText: true,
};

export const nextgqa: DatasetRecord = {
  name: LAYOUT.dataset,
  title: 'NExT-GQA',
  splits: { train: 'train.csv', val: 'val.csv', test: 'test.csv' },
  rows: nextgqaRows,
  readsSpansFile: true,
  scoring: 'grounded-choice',
  types: LAYOUT.types,
  countsAs: { TP: 'TN' },
  groups: { Cau: ['CW', 'CH'], Tem: ['TN', 'TC'] },
  addPunctuation: true,
  videoMap: true,
  ownReasoning: false,
};

/**
 * Reads the csv together with the spans of `gsub_<split>.json`, which is looked for in the same folder. The training split has no
 * spans: its questions are choices.
 *
 * @param spansFile names the file of spans
 */
async function* nextgqaRows(source: TextSource, log: ProblemLog, spansFile?: string): AsyncGenerator<Row[]> {
  const file = spansFile ?? (await gsubBeside(source.file));
  if (file === undefined && splitOf(source.file) !== 'train')
    log.add(1, 'spans', `gsub_${splitOf(source.file) ?? 'val'}.json beside the csv`, 'no such file');
  const videos = file === undefined ? undefined : await readGsub(file);
  for await (const rows of csvSamples(source, LAYOUT, log))
    yield videos ? rows.map((row) => withSpans(row, videos, log)) : rows;
}

/**
 * A question with its spans. Spans without length, which hold nothing, are left out; they and spans beyond the video are told. A
 * question without spans stays without, and cannot be trained on or scored as grounding.
 */
function withSpans(row: Row, videos: ReadonlyMap<string, GroundedVideo>, log: ProblemLog): Row {
  const { sample, line = 1 } = row;
  const video = videos.get(sample.video);
  const windows = video?.spans.get(sample.id.slice(sample.video.length + 1)) ?? [];
  const { duration } = video ?? {};
  const bad = windows.find((window) => !(isSpan(window) && isInside(window, duration)));
  const limit = duration === undefined ? '' : `, inside the video (${duration} s)`;
  if (bad) log.warn(line, 'spans', `0 <= start < end${limit}`, shown(bad));
  const spans = windows.filter(isSpan);
  if (spans.length === 0)
    log.warn(line, 'spans', 'spans of this question in the file of spans', shown(sample.id));
  return {
    ...row,
    sample: {
      ...sample,
      task: 'grounded-choice',
      ...(spans.length > 0 ? { spans } : {}),
      ...(duration === undefined ? {} : { duration }),
    },
  };
}

const isSpan = ([start, end]: Span) => start >= 0 && start < end;
