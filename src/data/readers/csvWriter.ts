/** Writes multiple-choice questions as CSV, one question a row, as csv.ts reads them. */
import { csv } from '../../base/csv.js';
import { NotWritable, type SampleWriter } from '../datasets/dataset.js';
import type { CsvLayout } from './csv.js';
import { checkOptions } from './sevila.js';

/** The published columns, without the size and length of the video, which samples do not have. */
export function csvWriter(layout: CsvLayout): SampleWriter {
  const { videoColumn, optionCount } = layout;
  const options = Array.from({ length: optionCount }, (_, i) => `a${i}`);
  return {
    form: 'csv',
    before: csv([[videoColumn, 'question', 'answer', 'qid', 'type', ...options]]),
    between: '',
    after: '',
    without: ['start', 'end', 'duration', 'reasoning', 'reasoningCorrect'],
    text: (sample) => {
      const { id, video, question, answer, type } = sample;
      checkOptions(sample, layout);
      const qid = id.startsWith(`${video}_`) ? id.slice(video.length + 1) : '';
      if (qid === '' || qid !== qid.trim() || video !== video.trim())
        throw new NotWritable('with an id that is not <video>_<number>, without spaces at their ends');
      const fields = [video, question, `${answer ?? ''}`, qid, type, ...sample.options];
      if (fields.some((text) => /\0|\p{Surrogate}/u.test(text)))
        throw new NotWritable('with a character that csv does not hold (NUL, or half of a surrogate pair)');
      return csv([fields]);
    },
  };
}
