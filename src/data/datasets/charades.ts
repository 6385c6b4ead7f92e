/** Charades-STA (Gao et al. 2017, github.com/jiyanggao/TALL): when a described action happens in a video of Charades. */

import { ProblemLog, shown } from '../problems.js';
import { filesBeside } from '../readers/beside.js';
import { csvRows } from '../readers/csvRows.js';
import { clippedSpan, secondsOf } from '../readers/spans.js';
import { linesOf, type TextSource, textSource } from '../textFile.js';
import type { DatasetRecord, Row } from './dataset.js';

export const charades: DatasetRecord = {
  name: 'charades',
  title: 'Charades-STA',
  splits: { train: 'charades_sta_train.txt', test: 'charades_sta_test.txt' },
  trainQuestions: 12_408,
  rows: charadesRows,
  types: ['moment'],
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: false,
};

/** A line: `VID START END##sentence.`, times in seconds. */
const LINE = /^(\S+)\s+(\S+)\s+([^\s#]+)\s*##(.*)$/;

/**
 * Reads `VID START END##sentence.` lines. Durations come from `Charades_v1_*.csv` in the same folder, where they are; as public
 * loaders do, END is cut to the duration, and a line with nothing left is left out. A sample's id is `<VID>_<n>`, `n` counting the
 * lines of the video from 0, those left out included.
 */
async function* charadesRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const durations = await durationsBeside(source.file);
  const lines = new Map<string, number>();
  for await (const group of linesOf(source, 'any')) {
    const rows: Row[] = [];
    for (const { line, text } of group) {
      if (text.trim() === '') continue;
      const [, video = '', from = '', to = '', words = ''] = LINE.exec(text.trim()) ?? [];
      const question = words.trim();
      const [start, end] = [secondsOf(from), secondsOf(to)];
      if (!question || start === undefined || end === undefined) {
        log.add(line, 'row', 'VID START END##sentence, times in seconds', shown(text));
        continue;
      }
      const n = lines.get(video) ?? 0;
      lines.set(video, n + 1);
      const duration = durations.get(video);
      const span = clippedSpan(start, end, duration);
      const limit = duration === undefined ? '' : `, inside the video (${duration} s)`;
      if (span?.[0] !== start || span[1] !== end)
        log.warn(line, 'times', `0 <= START < END${limit}`, `${from} ${to}; ${span ? 'cut' : 'left out'}`);
      if (!span) continue;
      rows.push({
        line,
        sample: {
          id: `${video}_${n}`,
          dataset: charades.name,
          video,
          task: 'ground',
          question,
          options: [],
          spans: [span],
          ...(duration === undefined ? {} : { duration }),
          type: 'moment',
        },
      });
    }
    yield rows;
  }
}

/** Seconds by video, of every `Charades_v1_*.csv` beside the annotations. */
async function durationsBeside(file: string): Promise<Map<string, number>> {
  const durations = new Map<string, number>();
  for (const path of await filesBeside(file, /^Charades_v1.*\.csv$/i)) {
    const log = new ProblemLog(path);
    let columns: [number, number] | undefined;
    for await (const group of csvRows(await textSource(path), log))
      for (const { line, fields } of group) {
        columns ??= [fields.indexOf('id'), fields.indexOf('length')];
        const [id, length] = columns.map((at) => fields[at] ?? '') as [string, string];
        if (columns.includes(-1)) log.add(line, 'header', 'columns id and length', shown(fields.join(',')));
        else if (secondsOf(length)) durations.set(id, Number(length));
        log.throwIfAny();
      }
    log.throwIfAny();
  }
  return durations;
}
