/** metrics.jsonl and the event file, continued and truncated. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { MetricsLog, readMetrics, readWallTimes } from '../../../src/training/run/metrics.js';
import { decodeEvents } from './eventReader.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A clock that goes one second a call, so that bytes can be compared. */
const clock = () => {
  let time = 1.7e9;
  return () => time++;
};
const eventPath = () => {
  const names = readdirSync(folder).filter((name) => name.startsWith('events.out.tfevents.'));
  expect(names).toHaveLength(1);
  return join(folder, names[0] as string);
};
const events = () => decodeEvents(readFileSync(eventPath())).slice(1);
const lines = () => readFileSync(join(folder, 'metrics.jsonl'), 'utf8');

it('writes one line and one event a call', () => {
  const log = new MetricsLog(folder, clock());
  log.scalar(1, { loss: 2.5, lr: 1e-5 });
  log.scalar(1, { 'val/accuracy': 0.5 });
  log.close();
  expect(lines()).toBe('{"step":1,"loss":2.5,"lr":0.00001}\n{"step":1,"val/accuracy":0.5}\n');
  expect(events().map(({ step, scalars }) => ({ step, scalars }))).toEqual([
    { step: 1, scalars: { loss: 2.5, lr: Math.fround(1e-5) } },
    { step: 1, scalars: { 'val/accuracy': 0.5 } },
  ]);
  expect(readdirSync(folder)).toHaveLength(2);
});

it('needs no flush to outlive its process', () => {
  const log = new MetricsLog(folder);
  log.scalar(3, { loss: 1 });
  expect(readMetrics(folder)).toEqual([{ step: 3, loss: 1 }]);
  expect(events()).toHaveLength(1);
  log.close();
});

it('writes a value that is not finite as null, with its name', () => {
  const log = new MetricsLog(folder);
  log.scalar(7, { loss: Number.NaN, norm: Number.NEGATIVE_INFINITY, lr: 1 });
  log.close();
  expect(lines()).toBe(
    '{"step":7,"loss":null,"norm":null,"lr":1,"nonFinite":{"loss":"NaN","norm":"-Infinity"}}\n',
  );
  expect(events()[0]?.scalars).toEqual({ loss: Number.NaN, norm: Number.NEGATIVE_INFINITY, lr: 1 });
});

it('resumes at a step: later records are gone, earlier ones stay byte for byte', () => {
  const whole = new MetricsLog(folder, () => 1.7e9);
  for (let step = 1; step <= 20; step++) whole.scalar(step, { loss: 1 / step });
  whole.close();
  const expected = { lines: lines(), events: readFileSync(eventPath()) };
  for (const kept of [20, 13, 1, 0]) {
    const log = new MetricsLog(folder, () => 1.7e9);
    log.truncateAfter(kept);
    expect(readMetrics(folder).map((line) => line.step)).toEqual(
      Array.from({ length: kept }, (_, i) => i + 1),
    );
    for (let step = kept + 1; step <= 20; step++) log.scalar(step, { loss: 1 / step });
    log.close();
    expect(lines()).toBe(expected.lines);
    expect(readFileSync(eventPath())).toEqual(expected.events);
  }
});

it('continues files that were cut anywhere', () => {
  const rng = new Rng('cuts');
  const path = join(folder, 'metrics.jsonl');
  for (let round = 0; round < 60; round++) {
    const log = new MetricsLog(folder, clock());
    log.scalar(round, { loss: rng.normal(), größe: 1 });
    log.scalar(round, { accuracy: rng.float() });
    log.close();
    truncateSync(path, readFileSync(path).length - rng.int(12));
    truncateSync(eventPath(), readFileSync(eventPath()).length - rng.int(12));
    new MetricsLog(folder, clock()).close();
    for (const line of lines().split('\n').slice(0, -1)) JSON.parse(line);
    expect(lines()).toMatch(/\n$/);
    expect(readMetrics(folder).length).toBeGreaterThanOrEqual(round + 1);
    expect(events().length).toBeGreaterThanOrEqual(round + 1);
  }
});

describe('bad input', () => {
  it('names a line that is no metrics', () => {
    writeFileSync(join(folder, 'metrics.jsonl'), '{"step":1}\n{"loss":3}\n');
    const message = `${join(folder, 'metrics.jsonl')}:2: expected a JSON object with a whole "step", found {"loss":3}; remove the line`;
    expect(() => new MetricsLog(folder)).toThrow(message);
    expect(() => readMetrics(folder)).toThrow(DataError);
    expect(lines()).toBe('{"step":1}\n{"loss":3}\n');
  });

  it('names a folder that cannot be', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new MetricsLog(join(folder, 'file'))).toThrow(DataError);
    mkdirSync(join(folder, 'run', 'metrics.jsonl'), { recursive: true });
    expect(() => new MetricsLog(join(folder, 'run'))).toThrow(/metrics.jsonl: could not be read or written/);
  });

  it('refuses a step that is none', () => {
    const log = new MetricsLog(folder);
    for (const step of [-1, 0.5, Number.NaN]) expect(() => log.scalar(step, { a: 1 })).toThrow(RangeError);
    log.close();
  });
});

it('ignores other files, and a run without metrics has none', () => {
  expect(readMetrics(folder)).toEqual([]);
  appendFileSync(join(folder, 'events.out.tfevents.5.tmp-1-ab'), 'x');
  const log = new MetricsLog(folder, clock());
  log.close();
  expect(readdirSync(folder)).toHaveLength(3);
});

it('tells when each line was written, as long as both files tell the same', () => {
  const times = () => readWallTimes(folder, readMetrics(folder));
  expect(times()).toBeUndefined();
  const log = new MetricsLog(folder, clock());
  for (const step of [1, 2, 2, 5]) log.scalar(step, { loss: 1 });
  log.close();
  // The first two seconds are those of the file's name and its first record.
  expect(times()).toEqual([2, 3, 4, 5].map((second) => 1.7e9 + second));
  appendFileSync(join(folder, 'metrics.jsonl'), '{"step":6}\n');
  expect(times()).toBeUndefined();
  const kept = new MetricsLog(folder, clock());
  kept.truncateAfter(2);
  kept.close();
  expect(times()).toHaveLength(3);
  truncateSync(eventPath(), 0);
  expect(times()).toBeUndefined();
});
