import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import type { PageData } from '../../src/report/page/data.js';
import { type ReportRequest, writeReport } from '../../src/report/report.js';
import { parseHtml } from './htmlReader.js';
import { makeReportWorld, type ReportWorld, type RunSettings, writeRun } from './support.js';

let scratch: string;
let world: ReportWorld;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'report-'));
  world = await makeReportWorld(scratch);
});
afterAll(() => rm(scratch, { recursive: true }));

let made = 0;
/** Run folders of their own with these settings. */
async function runs(...settings: RunSettings[]): Promise<{ folder: string }[]> {
  const folder = join(scratch, `runs-${made++}`);
  const folders = settings.map((_, i) => join(folder, `run-${i}`));
  for (const [i, one] of settings.entries()) await writeRun(world, folders[i]!, one);
  return folders.map((path) => ({ folder: path }));
}

/** Writes a report without the student's reasoning, and reads it again. */
async function report(given: { folder: string }[], more: Partial<ReportRequest> = {}) {
  const written = await writeReport({
    out: join(scratch, 'report.html'),
    runs: given,
    reasoning: 0,
    ...more,
  });
  const html = await readFile(written.out, 'utf8');
  expect(Buffer.byteLength(html)).toBe(written.bytes);
  const json = /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(html)?.[1];
  const data = json === undefined ? undefined : (JSON.parse(json) as PageData);
  const page = parseHtml(html.replaceAll(/<script[^>]*>.*?<\/script>/gs, ''));
  return { ...written, html, data, page };
}

const SIX = [0, 0.8].flatMap((beta) =>
  [1, 2, 3].map((seed) => ({ beta, seed, accuracy: beta === 0 ? 0.2 : 0.9 })),
);

describe('a report of two settings and three seeds', () => {
  it('has a row a setting, what the second gains, every run and the keys that differ', async () => {
    const { page, settings, notices, html } = await report(await runs(...SIX));
    expect(notices).toEqual([]);
    expect(settings).toEqual(['beta 0', 'beta 0.8']);
    expect(page.text).toContain('beta 0.8 answers');
    expect(page.text).toContain('3 seeds');
    expect(page.text).toContain('Difference to beta 0, paired over questions and seeds');
    expect(html).toMatch(
      /<span class="plus">\+\d+\.\d+<\/span><small>± \d+\.\d+ questions<br>± \d+\.\d+ seeds</,
    );
    const rows = [
      ...html.matchAll(/<tr><th scope="row">runs-\d+\/run-\d<\/th><td>([\d.]+)<\/td><td>(\d)<\/td><td>done/g),
    ];
    expect(rows.map(([, beta, seed]) => `${beta}/${seed}`)).toEqual(
      SIX.map(({ beta, seed }) => `${beta}/${seed}`),
    );
    expect(page.text).toContain('native-cpu (threads 2)');
    expect(page.text).toContain('Test CPU, Node v20');
    expect(page.text).not.toMatch(/NaN|undefined|\[object/);
  });

  it('draws losses, accuracy in total and by type, learning rate and speed', async () => {
    const { page } = await report(await runs(...SIX));
    const labels = page.elements.flatMap(({ name, attributes }) =>
      name === 'svg' ? [attributes['aria-label']] : [],
    );
    const titles = labels.map((label) => label!.split(':')[0]);
    for (const title of [
      'Validation accuracy',
      'Loss',
      'Answer loss',
      'Reasoning loss',
      'Learning rate',
      'Speed',
    ])
      expect(titles).toContain(title);
    expect(labels.some((label) => label!.startsWith('Accuracy: CW: '))).toBe(true);
    // 3 updates of 4 samples in 4 seconds; evaluation is not counted.
    expect(labels.at(-1)).toContain('beta 0 from 3 to 3');
  });

  it('gives every example its answers, probabilities and frames, and each clip once', async () => {
    const { data } = await report(await runs(...SIX));
    const validation = data!.examples.filter(({ split }) => split === 'validation');
    expect(validation.map(({ id }) => id)).toEqual(world.val.map(({ id }) => id));
    for (const { answers, options } of validation)
      for (const answer of answers) {
        expect(answer!.picks).toHaveLength(3);
        expect(answer!.probabilities).toHaveLength(options.length);
        expect(answer!.probabilities!.reduce((a, b) => a + b)).toBeGreaterThan(995);
        expect(answer!.probabilities![answer!.chosen]).toBe(Math.max(...answer!.probabilities!));
      }
    expect(data!.clips).toHaveLength(7);
    for (const clip of data!.clips)
      expect(clip).toMatchObject({ width: 32, height: 32, times: { length: 4 } });
    const training = data!.examples.filter(({ split }) => split === 'training');
    expect(training[0]!.answers).toEqual([null, null]);
    expect(training[0]!.teacher!.parts.some(({ removedBy }) => removedBy?.includes('Answer'))).toBe(true);
    expect(new Set(data!.examples.map(({ key }) => key)).size).toBe(data!.examples.length);
  });

  it('takes the wanted number of examples at equal distances, a fifth of them training questions', async () => {
    const { data, page } = await report(await runs(...SIX), { examples: 10 });
    expect(data!.examples.filter(({ split }) => split === 'training')).toHaveLength(2);
    expect(data!.examples).toHaveLength(10);
    expect(data!.examples[0]!.id).toBe(world.val[0]!.id);
    expect(page.text).toMatch(/10 of \d+ questions, at equal distances/);
    const none = await report(await runs(...SIX), { examples: 0 });
    expect(none.data).toBeUndefined();
    expect(none.html).not.toContain('<script');
  });

  it('asks for nothing outside itself, and lets no script run but its own', async () => {
    const { page, html } = await report(await runs(...SIX));
    const policy = page.elements.find(({ attributes }) => attributes['http-equiv'])!.attributes.content!;
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'$/,
    );
    for (const { attributes } of page.elements)
      for (const [key, value] of Object.entries(attributes)) {
        expect(key.startsWith('on')).toBe(false);
        if (key === 'src' || key === 'href') expect(value).toMatch(/^(data:image\/|#)/);
      }
    expect(html).not.toMatch(/url\(|@import/);
  });

  it('holds every text as text, whatever it is', async () => {
    const attack = `"><img src=x onerror=alert(1)></script><script>alert(1)</script>`;
    const given = await runs({ beta: 0 }, { beta: 1 });
    const clean = await report(given, { title: 't', notes: ['n'], facts: [{ label: 'l', value: 'v' }] });
    const dirty = await report(
      given.map((run, i) => ({ ...run, label: `${attack}${i}` })),
      { title: attack, notes: [attack], facts: [{ label: attack, value: attack }], figures: [] },
    );
    expect(dirty.page.shape).toEqual(clean.page.shape);
    expect(dirty.data!.settings[0]!.name).toBe(`${attack}0`);
  });

  it('shows figures as pictures of their own', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><rect id="a"/></svg>';
    const { page } = await report(await runs({}), { figures: [{ title: 'Figure 4', svg }] });
    const image = page.elements.find(({ name }) => name === 'img')!;
    expect(Buffer.from(image.attributes.src!.split(',')[1]!, 'base64').toString()).toBe(svg);
    expect(image.attributes.alt).toMatch(/^Figure 4/);
  });
});

describe('what a report goes on without, and says so', () => {
  it.each<[string, RunSettings, RegExp]>([
    [
      'a run that is not finished',
      { done: false, evaluated: 1 },
      /not finished.*1 of 1 not finished|1 of 1 not finished/s,
    ],
    ['a run before its first evaluation', { done: false, evaluated: 0 }, /No run was evaluated/],
    ['a run without validation', { evaluated: 0, overrides: ['data.val=null'] }, /No run was evaluated/],
  ])('%s', async (_, settings, told) => {
    const { page, data } = await report(await runs(settings));
    expect(page.text).toMatch(told);
    // What the teacher wrote is there all the same.
    expect(data!.examples.some(({ teacher }) => teacher)).toBe(true);
  });

  it('videos, annotations and reasoning that are gone', async () => {
    const given = await runs({ beta: 0 }, { beta: 1 });
    const there = join(scratch, 'gone');
    const without = async (name: string) => {
      await rename(join(world.data, name), there);
      return report(given).finally(() => rename(there, join(world.data, name)));
    };
    const videos = await without('videos');
    expect(videos.notices).toEqual([
      expect.stringMatching(/no such video folder; the report goes on without frames/),
    ]);
    expect(videos.page.text).toContain(videos.notices[0]);
    expect(videos.data!.clips[0]).toEqual({ error: 'the video is not there' });
    const val = await without('val.csv');
    expect(val.notices).toEqual([
      expect.stringMatching(/val\.csv: no such file; the report goes on without its questions/),
    ]);
    expect(val.page.text).toContain('Difference to beta 0');
    const refined = await without('refined.jsonl');
    expect(refined.notices).toEqual([expect.stringMatching(/refined\.jsonl.*without the teacher's texts/)]);
    const raw = await without('generated.jsonl');
    expect(raw.notices).toEqual([expect.stringMatching(/own texts were not found beside it.*--raw/)]);
    expect(raw.data!.examples.at(-1)!.teacher!.note).toBe('the refined text alone');
  });

  it('one video that is gone, and one that is broken', async () => {
    const { video } = world.val[0]!;
    const other = world.val.find((sample) => sample.video !== video)!.video;
    const at = (name: string) => join(world.data, 'videos', `${name}.webp`);
    const kept = await Promise.all([video, other].map((name) => readFile(at(name))));
    await rm(at(video));
    await writeFile(at(other), 'no picture');
    const { notices, data } = await report(await runs({}));
    for (const [i, name] of [video, other].entries()) await writeFile(at(name), kept[i]!);
    expect(notices).toHaveLength(2);
    expect(notices[0]).toMatch(
      new RegExp(`no video for \\d+ of \\d+ questions shown, the first ${world.val[0]!.id}`),
    );
    expect(notices[1]).toMatch(/1 of 6 clips cannot be read, the first: .*cannot be read as an image/);
    expect(data!.clips.filter((clip) => 'data' in clip)).toHaveLength(5);
  });

  it('questions that the annotations no longer have', async () => {
    const given = await runs({});
    const file = join(world.data, 'val.csv');
    const before = await readFile(file, 'utf8');
    await writeFile(file, before.split('\n').slice(0, -3).join('\n'));
    const { notices } = await report(given).finally(() => writeFile(file, before));
    expect(notices).toEqual([expect.stringMatching(/val\.csv: lacks 2 of \d+ questions that were answered/)]);
  });
});

describe('several runs', () => {
  it('counts a run once that is given twice, or that lies in two folders', async () => {
    const [run] = await runs({ seed: 3 });
    const copy = join(scratch, 'copy');
    await cp(run!.folder, copy, { recursive: true });
    const written = await report([run!, run!, { folder: copy }]);
    expect(written.runs).toBe(1);
    expect(written.notices).toEqual([expect.stringMatching(/copy: the same run as .*run-0, counted once/)]);
  });

  it('of different validation questions have a table each, and answers of their own', async () => {
    const [first] = await runs({ beta: 0 });
    const other = await mkdtemp(join(scratch, 'other-'));
    const [ours, theirs] = [world, await makeReportWorld(other)];
    world = theirs;
    const [second] = await runs({ beta: 0.5 });
    world = ours;
    const { html, data } = await report([first!, second!]);
    expect(html.match(/<caption>Accuracy on the validation questions/g)).toHaveLength(2);
    const asked = data!.examples.map(({ answers }) =>
      answers.map((answer) => Number(answer !== null)).join(''),
    );
    expect(new Set(asked)).toEqual(new Set(['10', '01', '00']));
    expect(new Set(data!.examples.map(({ key }) => key)).size).toBe(data!.examples.length);
  });
});

describe('what ends a report', () => {
  it('a folder that is no run', async () => {
    await expect(report([{ folder: world.data }])).rejects.toThrow(
      /data: is neither a run folder .* nor a sweep folder .*reasvqa train --run/,
    );
  });

  it('damaged files, with their place', async () => {
    const [run] = await runs({});
    const at = (name: string) => join(run!.folder, name);
    const damage = async (name: string, text: string, message: string) => {
      const before = await readFile(at(name), 'utf8');
      await writeFile(at(name), text);
      const error = await report([run!]).catch((thrown) => thrown);
      await writeFile(at(name), before);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain(`${at(name)}${message}`);
    };
    await damage('predictions.jsonl', '{"id":"a","type":"CW","prediction":0}\n{"id":\n', ':2: json');
    await damage('metrics.jsonl', '{"step":1}\nnone\n', ':2: expected a JSON object');
    await damage('evaluations.json', '[{', ': damaged');
    await damage('result.json', '', ': damaged');
    await rm(at('predictions.jsonl'));
    await expect(report([run!])).rejects.toThrow('predictions.jsonl: no such file');
  });

  it('an output that cannot be written', async () => {
    await writeFile(join(scratch, 'file'), '');
    await expect(report(await runs({}), { out: join(scratch, 'file', 'r.html') })).rejects.toThrow(DataError);
  });
});
