import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EngineError } from '../../src/base/errors.js';
import { holdFolder } from '../../src/base/lock.js';
import { selectEngine } from '../../src/engine/engine.js';
import type { PageData } from '../../src/report/page/data.js';
import { type ReportRequest, writeReport } from '../../src/report/report.js';
import { train } from '../../src/training/train.js';
import { makeWorld, worldConfig } from '../training/support.js';

let scratch: string;
let run: string;
beforeAll(async () => {
  await selectEngine('native-cpu', { threads: 1 });
  scratch = await mkdtemp(join(tmpdir(), 'own-reasoning-'));
  const world = await makeWorld(scratch);
  run = join(scratch, 'run');
  const config = await worldConfig(world, 'train.epochs=1', 'text.maxReasoning=6', 'eval.batch=3');
  await train({ config, folder: run });
});
afterAll(() => rm(scratch, { recursive: true }));

/** What a report says the student wrote, by question, and whether it needed an engine. */
async function own(more: Partial<ReportRequest> = {}) {
  let started = 0;
  const startEngine = async () => {
    started++;
  };
  const out = join(scratch, 'report.html');
  const { notices } = await writeReport({ out, runs: [{ folder: run }], reasoning: 4, startEngine, ...more });
  const json = /id="report-data">(.*?)<\/script>/s.exec(await readFile(out, 'utf8'))![1]!;
  const { examples } = JSON.parse(json) as PageData;
  const texts = examples.flatMap(({ id, own: text }) => (text ? [{ id, ...text }] : []));
  return { texts, started, notices, examples };
}

describe('the student’s own reasoning', () => {
  it('is written once, for as many questions as are wanted, and kept in the run folder', async () => {
    const first = await own();
    expect(first.started).toBe(1);
    expect(first.texts).toHaveLength(4);
    expect(new Set(first.texts.map(({ name }) => name))).toEqual(new Set(['beta 0.8, seed 42']));
    const second = await own();
    expect(second.started).toBe(0);
    expect(second.texts).toEqual(first.texts);
    const fewer = await own({ reasoning: 0 });
    expect(fewer).toMatchObject({ started: 0, texts: [] });
  });

  it('is written again where it is damaged, or of another checkpoint', async () => {
    const file = join(run, 'reasoning.jsonl');
    const before = await readFile(file, 'utf8');
    const lines = before.trim().split('\n');
    await writeFile(
      file,
      [lines[0], '{"id":', lines[2]!.replace(/"step":\d+/, '"step":1'), lines[3]].join('\n'),
    );
    const { texts, started } = await own();
    expect({ started, texts: texts.length }).toEqual({ started: 1, texts: 4 });
    expect((await readFile(file, 'utf8')).trim().split('\n').sort()).toEqual(lines.sort());
  });

  it('is left out, and the page says so, without an engine, a checkpoint, or while the run is trained', async () => {
    await rm(join(run, 'reasoning.jsonl'));
    if (process.platform === 'linux') {
      const letGo = await holdFolder(run);
      const held = await own();
      letGo();
      expect(held).toMatchObject({ started: 0, texts: [] });
      expect(held.notices.at(-1)).toMatch(
        /run: another process is training in it; the report goes on without/,
      );
    }
    const none = await own({ startEngine: () => Promise.reject(new EngineError('no such engine')) });
    expect(none.texts).toEqual([]);
    expect(none.notices.at(-1)).toBe(
      "no such engine; the report goes on without the student's own reasoning",
    );
    await rm(join(run, 'checkpoints'), { recursive: true });
    const { notices, texts, examples } = await own();
    expect(texts).toEqual([]);
    expect(examples.length).toBeGreaterThan(0);
    expect(notices.at(-1)).toMatch(/has no checkpoint yet.*without the student's own reasoning/);
  });
});
