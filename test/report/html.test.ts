import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { escapeHtml } from '../../src/report/escape.js';
import { writeReport } from '../../src/report/html.js';
import { parseHtml } from './htmlReader.js';
import { sampleReport } from './sampleReport.js';

const folder = mkdtempSync(join(tmpdir(), 'report-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'report.html');
const written = async (data = sampleReport()) => {
  const bytes = await writeReport(path, data);
  const html = readFileSync(path, 'utf8');
  expect(Buffer.byteLength(html)).toBe(bytes);
  return html;
};

it('is well-formed, with every text of the data in it', async () => {
  const texts: string[] = [];
  const data = sampleReport((value) => {
    texts.push(value);
    return value;
  });
  const page = parseHtml(await written(data));
  for (const text of texts) {
    for (const line of text.split('\n')) expect(page.text, line).toContain(line.trim());
  }
});

it('holds every text as text, whatever it is', async () => {
  const plain = parseHtml(await written());
  const attacks = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=x>",
    '</style></svg><b>',
    '&amp;<!--',
    '\u0000]]>',
  ];
  for (const attack of attacks) {
    const html = await written(sampleReport((value) => `${attack}${value}`));
    const page = parseHtml(html);
    // The same elements with the same attribute names in the same order: nothing broke out of its place.
    expect(page.shape, attack).toEqual(plain.shape);
    expect(html).not.toMatch(/<script|onerror=alert\(1\)>(?!&)|<b>/i);
  }
});

it('asks for nothing outside itself', async () => {
  const html = await written();
  const page = parseHtml(html);
  for (const { name, attributes } of page.elements) {
    expect(['script', 'link', 'iframe', 'object', 'embed', 'form', 'a', 'base']).not.toContain(name);
    for (const [key, value] of Object.entries(attributes)) {
      expect(key.startsWith('on')).toBe(false);
      if (key === 'src' || key === 'href' || key === 'srcset')
        expect(value.startsWith('data:image/png;base64,')).toBe(true);
    }
  }
  expect(html).not.toMatch(/url\(|@import/);
  const policy = page.elements.find(
    ({ attributes }) => attributes['http-equiv'] === 'Content-Security-Policy',
  );
  expect(policy?.attributes.content).toBe("default-src 'none'; style-src 'unsafe-inline'; img-src data:");
});

it('can be used without seeing it', async () => {
  const { elements } = parseHtml(await written());
  const named = (name: string) => elements.filter((element) => element.name === name);
  expect(named('html')[0]?.attributes.lang).toBe('en');
  expect(named('h1')).toHaveLength(1);
  expect(named('main')).toHaveLength(1);
  expect(named('caption')).toHaveLength(1);
  for (const image of named('img'))
    expect(image.attributes.alt).toMatch(/^Frame \d of 4 of shapes_\d_0, at \d\.\d s$/);
  expect(named('img')).toHaveLength(8);
  for (const head of named('th')) expect(head.attributes.scope).toMatch(/^(row|col)$/);
  for (const plot of named('svg')) {
    expect(plot.attributes.role).toBe('img');
    expect(plot.attributes['aria-label']).toMatch(/ over step, /);
  }
  const ids = elements.flatMap((element) => element.attributes.id ?? []);
  expect(new Set(ids).size).toBe(ids.length);
  for (const element of elements) {
    const label = element.attributes['aria-labelledby'];
    if (label) expect(ids).toContain(label);
  }
});

it('shows the numbers, the answers before and after, and what refinement removed', async () => {
  const data = sampleReport();
  data.accuracy = {
    caption: 'c',
    groups: ['C', 'Total'],
    rows: [
      { name: 'before', cells: [null, { accuracy: 0.12345, n: 40, standardError: 0.052 }] },
      {
        name: 'after',
        cells: [
          { accuracy: 1, n: 3 },
          { accuracy: 0.1, n: 40 },
        ],
      },
    ],
    gain: { name: 'gain', cells: [null, { difference: -0.0235, standardError: Number.NaN }] },
  };
  const html = await written(data);
  const { text, elements } = parseHtml(html);
  expect(text).toContain('12.35 %');
  expect(text).toContain('± 5.20, 40 questions');
  expect(text).toContain('−2.35');
  expect(text).not.toContain('NaN');
  expect(html).toContain('<del title="removed: ###Answer">###Answer: C</del>');
  expect(html).toMatch(/<li class="right"><span class="letter">A<\/span>.*?✓ right answer.*?✓ β 0\.8/);
  expect(html).toMatch(/the yellow star vanished<\/span><span class="pick bad">✗ β 0</);
  expect(text).toContain('✓ corrected');
  expect(text).toContain('wrong in both');
  expect(text).toContain('No answer from β 0.');
  expect(elements.filter((element) => element.name === 'article')).toHaveLength(2);
});

it('colours a difference only when it exceeds its standard error', async () => {
  const data = sampleReport();
  const cell = (difference: number) => ({ difference, standardError: 0.02 });
  data.accuracy.gain = { name: 'gain', cells: [0.01, -0.01, 0.03, -0.03].map(cell) };
  const html = await written(data);
  const kinds = [...html.matchAll(/<span class="(plus|minus|)">([+−][\d.]+)</g)].map((match) => [
    match[1],
    match[2],
  ]);
  expect(kinds).toEqual([
    ['', '+1.00'],
    ['', '−1.00'],
    ['plus', '+3.00'],
    ['minus', '−3.00'],
  ]);
});

it('keeps the pixels of small frames and shrinks large ones into the budget', async () => {
  const data = sampleReport();
  const rng = new Rng('noise');
  const noise = Uint8Array.from({ length: 8 * 300 * 400 * 3 }, () => rng.int(256));
  const first = data.examples[0]!;
  data.examples = [first, { ...first, frames: { n: 8, height: 300, width: 400, data: noise } }];
  data.examples = [...data.examples, ...Array.from({ length: 3 }, () => data.examples[1]!)];
  const html = await written(data);
  expect(html.length).toBeLessThan(3.3 * 1024 * 1024);
  const urls = [...html.matchAll(/src="data:image\/png;base64,([^"]+)"/g)].map((match) =>
    Buffer.from(match[1]!, 'base64'),
  );
  expect(urls).toHaveLength(4 + 4 * 8);
  const pixels = await sharp(urls[0]).raw().toBuffer();
  expect(pixels).toEqual(Buffer.from(first.frames.data.subarray(0, 64 * 64 * 3)));
  const large = await sharp(urls[4]).metadata();
  expect([large.width, large.height].every((side) => side < 300)).toBe(true);
});

it('copes with an empty run', async () => {
  const page = parseHtml(
    await written({
      title: 't',
      summary: '',
      setup: [],
      accuracy: { caption: '', groups: [], rows: [] },
      plots: [],
      examples: [],
    }),
  );
  expect(page.text).toContain('Accuracy');
  expect(page.text).not.toContain('undefined');
});

it('names the path that cannot be written', async () => {
  await expect(writeReport(join(folder, 'missing', 'r.html'), sampleReport())).rejects.toThrow(DataError);
});

describe('texts', () => {
  it('escapes', () => {
    expect(escapeHtml(`<a href="x" b='y'>&\u0000\u001b</a>\n\t€`)).toBe(
      '&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\ufffd\ufffd&lt;/a&gt;\n\t€',
    );
  });
});
