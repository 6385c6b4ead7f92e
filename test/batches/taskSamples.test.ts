/** Samples of tasks made ready: the length of videos, and what training needs of each. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkTargets, mixedDatasets, withDurations } from '../../src/batches/taskSamples.js';
import type { Config } from '../../src/config/schema.js';
import type { Sample } from '../../src/data/sample.js';
import { DEFAULT_QA_TEMPLATE } from '../../src/text/prompts.js';

const CLIP = fileURLToPath(new URL('../../bench/shapes/clip.webp', import.meta.url));
const common = { id: 'a', dataset: 'jsonl', video: 'clip', type: 'all', question: 'when', options: [] };
const ground: Sample = { ...common, task: 'ground', spans: [[0.2, 0.9]] };

/** The keys that are read, as a recipe resolves them. */
function settings(text: object = {}, data: object = {}): Pick<Config, 'data' | 'text'> {
  return {
    data: { onBadVideo: 'error', ...data },
    text: { template: DEFAULT_QA_TEMPLATE, ...text },
  } as Pick<Config, 'data' | 'text'>;
}

const located = (samples: Sample[], path = CLIP) => ({
  samples,
  paths: new Map([['clip', path]]),
  notices: ['earlier'],
});

describe('the length of a video', () => {
  it('is probed where a prompt states it and the annotation does not', async () => {
    const stated = { ...ground, id: 'b', duration: 9 };
    const open: Sample = { ...common, id: 'c', task: 'open', answers: ['x'] };
    const { samples, notices } = await withDurations(located([ground, stated, open]), settings());
    const [probed] = samples;
    expect(probed!.duration).toBeGreaterThan(1);
    expect(probed!.duration).toBeLessThan(5);
    expect(samples.slice(1)).toEqual([stated, open]);
    expect(notices).toEqual(['earlier']);
  });

  it('is left alone where the recipe has a prompt without it', async () => {
    const split = located([ground], '/no/such/file.mp4');
    expect(await withDurations(split, settings({ prompts: { ground: 'When? {question}' } }))).toBe(split);
  });

  it('of a video that is gone stops, or leaves its samples out with a notice', async () => {
    const split = located(
      [ground, { ...common, id: 'd', task: 'caption', captions: ['x'] }],
      '/no/such.webp',
    );
    await expect(withDurations(split, settings())).rejects.toThrow('a: /no/such.webp: no such video');
    const { samples, notices } = await withDurations(split, settings({}, { onBadVideo: 'skip' }));
    expect(samples.map(({ id }) => id)).toEqual(['d']);
    await expect(
      withDurations(located([ground], '/no/such.webp'), settings({}, { onBadVideo: 'skip' })),
    ).rejects.toThrow('no such video');
    expect(notices[1]).toMatch(/^1 samples are left out, .*: a; the first: a: .*no such video/);
  });
});

describe('targets of training', () => {
  it.each<[string, Partial<Sample>, string]>([
    ['no span', { task: 'ground' }, 'task ground has no spans'],
    ['no answer text', { task: 'open' }, 'task open has no answers'],
    ['no caption', { task: 'caption' }, 'task caption has no captions'],
    ['no option', { task: 'grounded-choice', options: ['x', 'y'], spans: [[0, 1]] }, 'has no answer'],
    [
      'a span beyond the video',
      { task: 'ground', spans: [[1, 31.5]], duration: 30 },
      'span [1,31.5] ends beyond',
    ],
  ])('%s: the file and the id are named', (_, sample, message) => {
    const check = () => checkTargets([ground, { ...common, id: 'bad', ...sample }], 'train.jsonl');
    expect(check).toThrow('train.jsonl: sample bad: ');
    expect(check).toThrow(message);
  });

  it('may end as far beyond a video as annotations round', () => {
    checkTargets([{ ...ground, spans: [[1, 30.9]], duration: 30 }], 'train.jsonl');
  });
});

describe('a file of two datasets', () => {
  it('is told with the counts', () => {
    expect(mixedDatasets([ground, { ...ground, dataset: 'other' }, ground])).toBe(
      'samples of 2 datasets (jsonl 2, other 1) are trained on and scored as one; scores of each need a file each',
    );
    expect(mixedDatasets([ground, ground])).toBeUndefined();
  });
});
