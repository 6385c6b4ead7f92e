/** QVHighlights (Lei et al. 2021, github.com/jayleicn/moment_detr): the moments of a clip that a query names. */
import { readJsonLines } from '../jsonLines.js';
import { type ProblemLog, shown } from '../problems.js';
import { isPair } from '../readers/gsub.js';
import { misspelt } from '../readers/misspelt.js';
import { isDuration, isInside } from '../readers/spans.js';
import type { Sample, Span } from '../sample.js';
import { isGiven, type TextSource } from '../textFile.js';
import { TextIndex } from '../textIndex.js';
import type { DatasetRecord, Row } from './dataset.js';

export const qvhighlights: DatasetRecord = {
  name: 'qvhighlights',
  title: 'QVHighlights',
  splits: {
    train: 'highlight_train_release.jsonl',
    val: 'highlight_val_release.jsonl',
    test: 'highlight_test_release.jsonl',
  },
  trainQuestions: 7_218,
  rows: qvhighlightsRows,
  scoring: 'moments',
  types: ['moment'],
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};

const KEYS = ['qid', 'query', 'duration', 'vid', 'relevant_windows'];

/**
 * Reads lines of `qid`, `query`, `duration`, `vid` and `relevant_windows`; a sample's id is the `qid`. The test split has no
 * windows. Scores of single clips are for highlights and no part of a sample.
 */
async function* qvhighlightsRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const lineOfId = new TextIndex();
  let blind: boolean | undefined;
  for await (const { line, record } of readJsonLines(source, 'query', log)) {
    const sample = readQuery(record, line, log);
    if (!sample) continue;
    blind ??= sample.spans === undefined;
    const earlier = lineOfId.add(sample.id, line);
    if (earlier !== undefined)
      log.add(line, 'qid', 'an id used once', `${sample.id} again (first on line ${earlier})`);
    else if (blind !== (sample.spans === undefined))
      log.add(
        line,
        'relevant_windows',
        blind ? 'none, as before' : 'windows, as before',
        blind ? 'some' : 'none',
      );
    else {
      const unread = Object.keys(record).filter((key) => !KEYS.includes(key));
      yield [{ line, sample, unread }];
    }
  }
}

function readQuery(record: Record<string, unknown>, line: number, log: ProblemLog): Sample | undefined {
  const before = log.count;
  const { qid, query, duration, vid, relevant_windows: windows } = record;
  const check = (key: string, ok: boolean, expected: string) => {
    if (!ok) log.add(line, key, expected, shown(record[key]));
  };
  const isText = (value: unknown) => typeof value === 'string' && value.trim() !== '';
  check('qid', Number.isSafeInteger(qid) || isText(qid), 'a number or text');
  check('query', isText(query), 'a text');
  check('vid', isText(vid), 'a text');
  check('duration', isDuration(duration), 'seconds, more than 0');
  const inside = (window: unknown) =>
    isPair(window) && window[0] >= 0 && window[0] < window[1] && isInside(window, duration as number);
  if (isGiven(windows) && log.count === before)
    check(
      'relevant_windows',
      Array.isArray(windows) && windows.length > 0 && windows.every(inside),
      '[start, end] pairs, 0 <= start < end, inside the video',
    );
  const near = isGiven(windows) ? undefined : misspelt('relevant_windows', Object.keys(record), KEYS);
  if (near !== undefined)
    log.add(line, 'relevant_windows', 'a key of this name, or none in a blind split', shown(near));
  if (log.count > before) return undefined;
  return {
    id: `${qid}`,
    dataset: qvhighlights.name,
    video: vid as string,
    task: 'ground',
    question: query as string,
    options: [],
    ...(isGiven(windows) ? { spans: windows as Span[] } : {}),
    duration: duration as number,
    type: 'moment',
  };
}
