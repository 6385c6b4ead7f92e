/** Toy: questions about pets, one a line, in fields between tabs. */
import type { DatasetRecord } from '../../src/data/datasets/dataset.js';
import { type ProblemLog, shown } from '../../src/data/problems.js';
import type { Sample } from '../../src/data/sample.js';
import { numberedLines } from '../../src/data/textFile.js';

export const toy: DatasetRecord = {
  name: 'toy',
  title: 'Toy',
  splits: { train: 'toy_train.tsv', val: 'toy_val.tsv' },
  read: readToy,
  types: ['what', 'why', 'how'],
  countsAs: { how: 'why' },
  groups: { Seen: ['what'], Meant: ['why'] },
  addPunctuation: true,
  videoMap: false,
  ownReasoning: false,
  predictionKey: ({ id }) => `toy/${id}`,
};

/** Reads lines of id, video, type, question, options between bars, right option; blind splits leave the last empty. */
function readToy(text: string, log: ProblemLog): Sample[] {
  const rows = [...numberedLines(text)].map((row) => ({ line: row.line, fields: row.text.split('\t') }));
  const blind = rows.every(({ fields }) => !fields[5]);
  const lineOfId = new Map<string, number>();
  const samples: Sample[] = [];
  for (const { line, fields } of rows) {
    const [id = '', video = '', type = '', question = '', bars = '', right] = fields;
    if (right === undefined || fields.length > 6 || fields.slice(0, 5).includes('')) {
      log.add(line, 'row', '6 fields between tabs, only the last empty', shown(fields.join('\t')));
      continue;
    }
    const before = log.problems.length;
    const options = bars.split('|');
    const answer = options.indexOf(right);
    if (!toy.types.includes(type)) log.add(line, 'type', `one of ${toy.types.join(', ')}`, shown(type));
    if (options.length < 2 || options.includes('')) log.add(line, 'options', '2 or more', shown(bars));
    if (!blind && answer < 0) log.add(line, 'answer', 'one of the options', shown(right));
    const earlier = lineOfId.get(id);
    if (earlier !== undefined)
      log.add(line, 'id', 'an id used once', `${id} again (first on line ${earlier})`);
    else lineOfId.set(id, line);
    if (log.problems.length > before) continue;
    samples.push({ id, dataset: toy.name, video, type, question, options, ...(blind ? {} : { answer }) });
  }
  return samples;
}
