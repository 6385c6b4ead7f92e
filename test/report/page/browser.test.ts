import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeReport } from '../../../src/report/report.js';
import { findChromium } from '../../support/chromium.js';
import { makeReportWorld, type ReportWorld, writeRun } from '../support.js';
import * as inPage from './inPage.js';

const executablePath = findChromium();
if (!executablePath)
  console.warn(
    'SKIPPED: the report in a browser: no chromium on PATH (apt-get install chromium, or set CHROMIUM)',
  );

describe.skipIf(!executablePath)('a report in Chromium', () => {
  let scratch: string;
  let world: ReportWorld;
  let url: string;
  let browser: Browser;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'browser-'));
    world = await makeReportWorld(scratch);
    const settings = [0, 0.8].flatMap((beta) => [1, 2].map((seed) => ({ beta, seed })));
    const runs = settings.map(({ beta, seed }) => ({ folder: join(scratch, `beta-${beta}-seed-${seed}`) }));
    for (const [i, setting] of settings.entries()) await writeRun(world, runs[i]!.folder, setting);
    const out = join(scratch, 'report.html');
    await writeReport({ out, runs, reasoning: 0 });
    url = pathToFileURL(out).href;
    // No sandbox: containers run as root and without user namespaces.
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(scratch, { recursive: true });
  });

  let page: Page;
  let complaints: string[];
  beforeEach(async () => {
    page = await browser.newPage();
    page.setDefaultTimeout(0);
    complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.route('**/*', (route) => {
      const asked = route.request().url();
      if (asked === url || asked.startsWith('data:')) return route.continue();
      complaints.push(`request: ${asked}`);
      return route.abort();
    });
  });
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  const open = (hash = '') => page.goto(`${url}${hash}`);
  const status = () => page.getByRole('status').innerText();
  const count = async () => Number(/^\d+/.exec(await status())![0]);
  const title = () => page.locator('#card-title').innerText();
  const shown = () => page.getByRole('navigation', { name: 'Examples found' }).getByRole('link');
  const choose = (label: string, value: string) =>
    page.getByLabel(label, { exact: true }).selectOption(value);
  /** Options of a select but the first, which asks for nothing. */
  const valuesOf = async (label: string) => {
    const options = page.getByLabel(label, { exact: true }).locator('option');
    return ((await options.evaluateAll(inPage.valuesOf)) as string[]).slice(1);
  };

  it('shows a question with frames, options, probabilities and answers', async () => {
    await open();
    expect(await title()).toBe(world.val[0]!.question);
    const card = page.getByRole('article');
    const frames = card.getByRole('img');
    expect(await frames.count()).toBe(4);
    for (const frame of await frames.all()) {
      expect(await frame.getAttribute('alt')).toMatch(/^Frame \d of 4, \d\.\d s$/);
      expect(await frame.evaluate(inPage.naturalSize)).toEqual([32, 4 * 32]);
    }
    const table = card.getByRole('table', { name: 'Options and what each setting answers' });
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual(['Option', 'beta 0', 'beta 0.8']);
    expect(await table.getByRole('rowheader').count()).toBe(5);
    expect(await table.innerText()).toMatch(/\d+\.\d %/);
    expect(await table.getByText('chosen').count()).toBe(2);
    expect(await table.getByText('right answer').count()).toBe(1);
  });

  it('strikes through what refinement removed, and says so to who cannot see it', async () => {
    await open();
    await choose('Split', 'training');
    const removed = page.getByRole('article').locator('del').last();
    expect(await removed.innerText()).toMatch(/###Answer: [A-E]/);
    expect(await removed.textContent()).toMatch(/^\[removed: .*\]$/);
    expect(await removed.evaluate(inPage.lineThrough)).toBe('line-through');
  });

  it('filters by every choice of every list, and the parts of a list make the whole', async () => {
    await open();
    const all = await count();
    expect(await shown().count()).toBe(all);
    for (const label of ['Split', 'Type']) {
      let sum = 0;
      for (const value of await valuesOf(label)) {
        await choose(label, value);
        expect(await shown().count()).toBe(await count());
        expect(await page.getByRole('article').locator('.tags').innerText()).toContain(value);
        sum += await count();
      }
      expect(sum).toBe(all);
      await choose(label, '');
    }
    await choose('Split', 'validation');
    const validation = await count();
    for (const setting of ['', '0', '1']) {
      await choose('of setting', setting);
      await choose('Answer', 'wrong');
      expect(await status()).toMatch(/; 0 answered right, /);
      const wrong = await count();
      await choose('Answer', 'right');
      expect((await count()) + wrong).toBe(validation);
      await choose('Answer', '');
    }
    await choose('Changed', 'changed');
    const changed = await count();
    expect(changed).toBeGreaterThan(0);
    await choose('Changed', 'same');
    expect((await count()) + changed).toBe(validation);
    await choose('Changed', 'corrected');
    const [before, after] = await answersShown();
    expect([before, after]).toEqual(['✗ chosen', '✓ chosen']);
    await page.getByRole('button', { name: 'Clear' }).click();
    await expect.poll(count).toBe(all);
  });

  /** The marks of the two settings in the card. */
  async function answersShown(): Promise<string[]> {
    const rows = page.getByRole('article').getByRole('row');
    const marks = ['', ''];
    for (const row of await rows.all())
      for (const [i, cell] of (await row.getByRole('cell').all()).entries())
        if ((await cell.getByText('chosen').count()) > 0) marks[i] = await cell.locator('.pick').innerText();
    return marks;
  }

  it('searches while one types, says when nothing is left, and finds its way back', async () => {
    await open();
    const all = await count();
    await page.getByLabel('Search').fill(world.val[1]!.id);
    expect(await count()).toBe(1);
    expect(await title()).toBe(world.val[1]!.question);
    await page.getByLabel('Search').fill('nothing holds this');
    expect(await status()).toBe(`0 of ${all} examples`);
    expect(await page.getByRole('article').count()).toBe(0);
    await page.getByLabel('Search').fill('<b>&"');
    expect(await count()).toBe(0);
    await page.getByLabel('Search').fill('');
    expect(await count()).toBe(all);
    expect(await page.getByRole('article').count()).toBe(1);
  });

  it('is used by keyboard alone', async () => {
    await open();
    const place = () => page.locator('#place').innerText();
    await page.keyboard.press('ArrowRight');
    expect(await place()).toMatch(/^Example 2 of/);
    expect(await title()).toBe(world.val[1]!.question);
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    expect(await place()).toMatch(/^Example 1 of/);
    // In a field and in a table that scrolls, the arrows are those of the field and the table.
    await page.getByLabel('Search').focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('region', { name: 'Options and answers' }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await place()).toMatch(/^Example 1 of/);
    // One stop for the whole list; up, down and the ends move in it.
    const current = page.locator('#list a[tabindex="0"]');
    expect(await current.count()).toBe(1);
    await current.focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'End', 'Home', 'ArrowDown'])
      await page.keyboard.press(key);
    expect(await place()).toMatch(/^Example 2 of/);
    expect(await page.evaluate(inPage.focusedIsCurrent)).toBe('true');
    expect(await current.evaluate(inPage.outlineOf)).toBe('solid');
    const next = page.getByRole('button', { name: 'Next' });
    await next.focus();
    await page.keyboard.press('Enter');
    expect(await place()).toMatch(/^Example 3 of/);
  });

  it('has an address for every example', async () => {
    const { id, question } = world.val[2]!;
    await open(`#/validation/${id}`);
    expect(await title()).toBe(question);
    await page.keyboard.press('ArrowRight');
    expect(page.url()).toBe(`${url}#/validation/${world.val[3]!.id}`);
    await page.reload();
    expect(await title()).toBe(world.val[3]!.question);
    // A filter that hides the addressed example gives way.
    await choose('Split', 'training');
    await page.evaluate(inPage.setHash, `#/validation/${id}`);
    await expect.poll(title).toBe(question);
    expect(await page.getByLabel('Split').inputValue()).toBe('');
    await open('#/validation/none');
    expect(await page.getByRole('article').count()).toBe(1);
    await shown().nth(1).click();
    expect(page.url()).toBe(`${url}#/validation/${world.val[1]!.id}`);
  });

  it('has landmarks, headings, names and real tables for a screen reader', async () => {
    await open();
    for (const [role, name] of [
      ['navigation', 'Sections'],
      ['navigation', 'Examples found'],
      ['search', 'Examples'],
      ['article', world.val[0]!.question],
    ] as const)
      expect(await page.getByRole(role, { name }).count(), `${role} ${name}`).toBe(1);
    expect(await page.getByRole('main').count()).toBe(1);
    expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
    for (const name of ['Accuracy', 'Learning curves', 'Examples', 'Settings'])
      expect(await page.getByRole('heading', { level: 2, name }).count(), name).toBe(1);
    expect(await page.evaluate(inPage.unnamedElements)).toEqual([]);
    for (const table of await page.getByRole('table').all())
      expect(await table.locator('caption').count()).toBe(1);
  });

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)('fits a %s screen of %d pixels, with text that stands out', async (colorScheme, width) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    await open();
    for (const split of ['training', 'validation']) {
      await choose('Split', split);
      expect(await page.evaluate(inPage.pageWidth)).toBeLessThanOrEqual(width);
    }
    expect(await page.evaluate(inPage.paleTexts)).toEqual([]);
  });

  it('runs no script but its own', async () => {
    await open();
    expect(await page.evaluate(inPage.foreignScriptRuns)).toBe(false);
    await expect.poll(() => complaints.length).toBeGreaterThan(0);
    expect(complaints.every((line) => /Content Security Policy/.test(line))).toBe(true);
    complaints = [];
  });
});
