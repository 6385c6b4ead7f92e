import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ownFile } from '../../src/base/packageFiles.js';
import * as inPage from '../report/page/inPage.js';
import { findChromium } from '../support/chromium.js';
import { serveShapes } from './support.js';

const executablePath = findChromium();
if (!executablePath)
  console.warn(
    'SKIPPED: the page of reasvqa serve: no chromium on PATH (apt-get install chromium, or set CHROMIUM)',
  );

describe.skipIf(!executablePath)('the page in Chromium', () => {
  let scratch: string;
  let server: Awaited<ReturnType<typeof serveShapes>>;
  let browser: Browser;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'serve-page-'));
    await writeFile(join(scratch, 'page.mp4'), '<!doctype html><title>404</title>');
    await writeFile(join(scratch, 'large.mp4'), Buffer.alloc(1_000_001));
    server = await serveShapes();
    // No sandbox: containers run as root and without user namespaces.
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(scratch, { recursive: true });
  });

  let page: Page;
  let complaints: string[];
  /** Statuses that a test provokes; the browser logs each as an error. */
  let expected: number[];
  beforeEach(async () => {
    await open({});
  });
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
    expect(server.errors).toEqual([]);
  });

  async function open(options: Parameters<Browser['newPage']>[0]): Promise<void> {
    await page?.close();
    page = await browser.newPage(options);
    page.setDefaultTimeout(0);
    [complaints, expected] = [[], []];
    page.on('console', (message) => {
      const provoked = expected.some((status) => message.text().includes(`status of ${status}`));
      if (['error', 'warning'].includes(message.type()) && !provoked) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith('data:'))
        complaints.push(`request: ${request.url()}`);
    });
    await page.goto(server.url);
    await page.locator('#preview li').first().waitFor();
  }

  const status = () => page.locator('#status');
  const alert = () => page.getByRole('alert');
  const ask = () => page.getByRole('button', { name: 'Ask', exact: true });
  const answered = () =>
    status()
      .filter({ hasText: /^Answer.*The reasoning is written\.$/ })
      .waitFor();

  it('has a question about an example ready: one click answers it', async () => {
    expect(await page.getByRole('radio').count()).toBe(4);
    const question = await page.getByLabel('Question', { exact: true }).inputValue();
    expect(question).toMatch(/^[a-z ]+$/);
    const [, ...others] = await page
      .getByRole('group', { name: 'Other questions' })
      .getByRole('button')
      .all();
    expect(others.length).toBeGreaterThan(0);
    const asked = page.waitForRequest('**/api/ask');
    const options = (await page.getByLabel(/^Answers to choose from/).inputValue()).split('\n');
    expect(options).toHaveLength(5);
    expect(await page.locator('#preview').getByRole('img').count()).toBe(4);
    await ask().click();
    // What the page shows is what is asked, and what the answer is headed by.
    expect((await asked).postDataJSON()).toMatchObject({ question, options });
    await answered();
    expect(await page.locator('#result h3').innerText()).toBe(question);
    const choices = page.locator('#result .choices li');
    expect(await choices.count()).toBe(5);
    for (const [i, text] of options.entries()) {
      expect(await choices.nth(i).innerText()).toContain(text);
      expect(await choices.nth(i).innerText()).toMatch(/\d+\.\d %/);
    }
    expect(await page.locator('#result .chosen').getByText('chosen').count()).toBe(1);
    expect(await page.locator('#result').getByText('✓ right').count()).toBe(1);
    expect(await page.locator('#result .frames img').first().getAttribute('alt')).toMatch(
      /^Frame 1 of 4, at 0\.\d s$/,
    );
    expect(await page.locator('#result .reasoning').innerText()).not.toBe('');
  });

  it('keeps what was asked, over a reload, until it is cleared', async () => {
    await ask().click();
    await answered();
    await page.getByLabel('Question', { exact: true }).fill('what is seen?');
    await page.getByLabel(/^Answers to choose from/).fill('');
    await page.getByLabel('Question', { exact: true }).press('Enter');
    await answered();
    expect(await page.locator('#result .free').innerText()).not.toBe('');
    const history = page.getByRole('region', { name: 'Asked before' });
    expect(await history.getByRole('listitem').count()).toBeGreaterThanOrEqual(2);
    await page.reload();
    await history.getByText('what is seen?').click();
    expect(await history.locator('details[open]').innerText()).toContain('Reasoning');
    await history.getByRole('button', { name: 'Clear' }).click();
    expect(await history.count()).toBe(0);
  });

  it('shows when something happens on a line of time, as long as the video', async () => {
    const report = { question: 'when?', answer: '0.5 to 1.0 seconds', span: [0.5, 1], duration: 2 };
    const done = { report: { ...report, frames: [{ index: 2, seconds: 0.25 }] } };
    await page.route('**/api/ask', (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `event: done\ndata: ${JSON.stringify(done)}\n\n`,
      }),
    );
    await page.getByLabel('What is asked').selectOption('ground');
    await page.getByLabel(/^Answers to choose from/).fill('');
    const asked = page.waitForRequest('**/api/ask');
    await ask().click();
    expect((await asked).postDataJSON()).toMatchObject({ task: 'ground' });
    await page.getByText('When: 0.5 s to 1.0 s of 2.0 s').first().waitFor();
    const bar = page.locator('#result .time .span');
    expect(await bar.evaluate(({ style }) => [style.left, style.width])).toEqual(['25%', '25%']);
    const mark = page.locator('#result .time .mark');
    expect(await mark.evaluate(({ style }) => style.left)).toBe('12.5%');
    await page.getByLabel('What is asked').selectOption('caption');
    await page.getByLabel('Question', { exact: true }).fill('');
    const described = page.waitForRequest('**/api/ask');
    await ask().click();
    expect((await described).postDataJSON()).toMatchObject({
      task: 'caption',
      question: 'Describe what happens in the video.',
    });
  });

  it('takes a video, and lets it go again', async () => {
    await page.locator('#file').setInputFiles(ownFile('bench/shapes/clip.webp'));
    await page.getByText('clip.webp is here.').waitFor();
    expect(await page.getByRole('radio', { name: 'clip.webp' }).isChecked()).toBe(true);
    expect(await page.getByLabel('Question', { exact: true }).inputValue()).toBe('');
    await ask().click();
    expect(await alert().innerText()).toBe('Write a question first.');
    await page.getByLabel('Question', { exact: true }).fill('what is seen?');
    await ask().click();
    await answered();
    expect(await page.locator('#error').textContent()).toBe('');
    await page.getByRole('button', { name: 'Remove this video' }).click();
    await page.getByText('clip.webp is removed.').waitFor();
    expect(await page.getByRole('radio').count()).toBe(4);
  });

  it('takes a video that is dropped anywhere', async () => {
    const bytes = [...(await readFile(ownFile('bench/shapes/clip.webp')))];
    await page.evaluate(inPage.drop, { name: 'dropped.webp', bytes });
    await page.getByText('dropped.webp is here.').waitFor();
    await page.getByRole('button', { name: 'Remove this video' }).click();
    await page.getByText('dropped.webp is removed.').waitFor();
  });

  it('says what is wrong with a file that is no video or too large, and goes on', async () => {
    expected = [422];
    await page.locator('#file').setInputFiles(join(scratch, 'page.mp4'));
    await alert().filter({ hasText: 'Page.mp4: no video, it is a web page' }).waitFor();
    await page.locator('#file').setInputFiles(join(scratch, 'large.mp4'));
    await alert().filter({ hasText: 'at most 1.0 MB' }).waitFor();
    await page.getByLabel(/^Answers to choose from/).fill('only one');
    expected = [400];
    await ask().click();
    await alert().filter({ hasText: 'Options: expected 2 to 26, got 1' }).waitFor();
    await page.getByRole('radio', { name: 'Shapes 2' }).check();
    await page.getByRole('group', { name: 'Other questions' }).getByRole('button').first().click();
    await ask().click();
    await answered();
  });

  it('cancels a question, and asks the next', async () => {
    // Held back, so that the question is under way for as long as the test wants.
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/api/ask', async (route) => {
      await held;
      await route.continue().catch(() => undefined);
    });
    await ask().click();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await status().filter({ hasText: 'Cancelled.' }).waitFor();
    expect(await page.evaluate(inPage.focusedText)).toBe('Ask');
    release();
    await page.unrouteAll({ behavior: 'wait' });
    await ask().click();
    await answered();
  });

  it('is asked by keyboard alone', async () => {
    const path: { name: string; shows: boolean }[] = [];
    const tab = async () => {
      await page.keyboard.press('Tab');
      path.push(await page.evaluate(inPage.focused));
    };
    await tab();
    await page.keyboard.press('ArrowRight');
    await page.locator('#preview li').first().waitFor();
    expect(await page.getByRole('radio', { name: 'Shapes 2' }).isChecked()).toBe(true);
    while (path.at(-1)!.name !== 'ask') await tab();
    // In the order of the page, each with a mark that shows where the focus is.
    expect(path.map(({ name }) => name).filter((name) => /^[a-z]+$/.test(name))).toEqual([
      'video',
      'file',
      'question',
      'options',
      'task',
      'reasoning',
      'start',
      'end',
      'ask',
    ]);
    expect(path.filter(({ shows }) => !shows)).toEqual([]);
    await page.keyboard.press('Enter');
    await answered();
    await page.getByLabel('Question', { exact: true }).focus();
    await page.keyboard.press('Enter');
    await answered();
  });

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)('can be read and named: %s, %i wide', async (colorScheme, width) => {
    const hasTouch = width < 500;
    await open({ colorScheme, viewport: { width, height: 700 }, reducedMotion: 'reduce', hasTouch });
    await ask().click();
    await answered();
    expect(await page.evaluate(inPage.pageWidth)).toBeLessThanOrEqual(width);
    // The picture of a choice says nothing that its name does not.
    const unnamed: string[] = await page.evaluate(inPage.unnamedElements);
    expect(unnamed.filter((html) => !html.includes('alt=""'))).toEqual([]);
    expect(await page.evaluate(inPage.paleTexts)).toEqual([]);
    expect(await page.evaluate(inPage.smallTargets, 24)).toEqual([]);
    expect(await page.evaluate(inPage.cutTexts)).toEqual([]);
    expect(await page.locator('#answer-title').evaluate(inPage.isInView)).toBe(true);
    const shots = process.env.REASVQA_SCREENSHOTS;
    if (shots) await page.screenshot({ path: join(shots, `${colorScheme}-${width}.png`), fullPage: true });
  });
});
