/** Misspelt truths, endless numbers and empty ids: told, where a blind split or a sample would come of them. */
import { describe, expect, it } from 'vitest';
import { datasetOf } from '../../../src/data/datasets/index.js';
import { ProblemLog } from '../../../src/data/problems.js';
import { sourceOf } from '../../../src/data/textFile.js';

async function read(dataset: string, text: string) {
  const log = new ProblemLog('x');
  let samples = 0;
  for await (const rows of datasetOf(dataset).rows!(sourceOf('x', text), log)) samples += rows.length;
  return { samples, fields: log.problems.map(({ field }) => field) };
}

const csvOf = (answer: string) =>
  `video,question,${answer},qid,type,a0,a1,a2,a3,a4\n1,why,0,1,CW,a,b,c,d,e\n`;
const star = (answer: string) =>
  JSON.stringify([
    {
      ...{ qid: 'Sequence_1', video: 'v', question: 'q', num_option: 4, a0: 'a', a1: 'b', a2: 'c', a3: 'd' },
      ...{ start: 0, end: 1, [answer]: 0 },
    },
  ]);
const words = (answer: string) =>
  JSON.stringify([{ id: 1, video_id: 2, question: 'what?', [answer]: 'dog' }]);
const moments = (key: string) =>
  JSON.stringify({ qid: 1, query: 'q', duration: 9, vid: 'v', [key]: [[0, 2]] });

describe('a misspelt key of the truth is told', () => {
  it.each(['Answer', 'answers', ' anwser', '7answer'])('of a csv: %j', async (name) => {
    expect(await read('nextqa', csvOf(name))).toEqual({ samples: 0, fields: ['answer'] });
  });

  it.each(['Answer', 'answers', 'anser'])('of a JSON list: %j', async (name) => {
    expect(await read('star', star(name))).toEqual({ samples: 0, fields: ['[0].answer'] });
    expect(await read('msvdqa', words(name))).toEqual({ samples: 0, fields: ['[0].answer'] });
  });

  it.each(['relevant_window', 'Relevant_Windows'])('of QVHighlights: %j', async (name) => {
    expect(await read('qvhighlights', moments(name))).toEqual({ samples: 0, fields: ['relevant_windows'] });
  });

  it('while the right one, none, and keys of another meaning are read', async () => {
    for (const name of ['answer', 'frame_count', 'note'])
      expect(await read('nextqa', csvOf(name))).toEqual({ samples: 1, fields: [] });
    for (const name of ['answer', 'question_program'])
      expect(await read('star', star(name))).toEqual({ samples: 1, fields: [] });
    for (const key of ['relevant_windows', 'relevant_clip_ids', 'saliency_scores'])
      expect(await read('qvhighlights', moments(key))).toEqual({ samples: 1, fields: [] });
  });
});

it('an empty video id of ActivityNet is told', async () => {
  const text = '{" ": {"duration": 5, "timestamps": [[0, 1]], "sentences": ["a"]}}';
  expect(await read('activitynet', text)).toEqual({ samples: 0, fields: ['video'] });
});

describe('a number too large for one is told', () => {
  it.each([
    ['qvhighlights', moments('relevant_windows').replace('9', '1e999'), 'duration'],
    ['qvhighlights', moments('relevant_windows').replace('2]', '1e999]'), 'relevant_windows'],
    ['msvdqa', words('answer').replace('"dog"', '1e999'), '[0].answer'],
    ['activitynet', '{"v": {"duration": 1e999, "timestamps": [[0, 1]], "sentences": ["a"]}}', 'v.duration'],
    [
      'activitynet',
      '{"v": {"duration": 5, "timestamps": [[0, 1e999]], "sentences": ["a"]}}',
      'v.timestamps[0]',
    ],
    ['charades', `V 0 ${'9'.repeat(400)}##a.\n`, 'row'],
  ])('in %s: %s', async (dataset, text, field) => {
    expect(await read(dataset, text)).toEqual({ samples: 0, fields: [field] });
  });
});
