/** Progress on a terminal and off one, with a clock of the tests. */
import { expect, it } from 'vitest';
import { createProgress, formatDuration, type ProgressOptions, say } from '../../src/base/progress.js';

function setup(options: Partial<ProgressOptions> & { tty?: boolean; columns?: number } = {}) {
  let time = 0;
  const written: string[] = [];
  const stream = {
    write: (text: string) => void written.push(text),
    isTTY: options.tty ?? false,
    columns: options.columns ?? 80,
  };
  const progress = createProgress({
    label: 'train',
    stream,
    now: () => time,
    env: {},
    total: 100,
    ...options,
  });
  return {
    progress,
    stream,
    written,
    text: () => written.join(''),
    pass: (ms: number) => {
      time += ms;
    },
  };
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is tested
const ESCAPE = /\x1b\[[\d;]*[mK]/g;

it('prints a plain line every k steps off a terminal', () => {
  const { progress, written, pass } = setup({ every: 25, unit: 'samples' });
  for (let n = 1; n <= 100; n++) {
    pass(100);
    progress.tick(n, `loss ${n}`);
  }
  progress.done();
  expect(written).toEqual([
    'train   25/100  loss 25  10.0 samples/s  7.5 s left\n',
    'train   50/100  loss 50  10.0 samples/s  5.0 s left\n',
    'train   75/100  loss 75  10.0 samples/s  2.5 s left\n',
    'train  100/100  10 s  10.0 samples/s  loss 100\n',
  ]);
});

it('prints about twenty lines by default, and copes without a total', () => {
  const known = setup({ total: 1000 });
  for (let n = 1; n <= 1000; n++) known.progress.tick(n);
  expect(known.written).toHaveLength(19);
  const unknown = createProgress({ label: 'read', stream: known.stream, env: {} });
  for (let n = 1; n <= 350; n++) unknown.tick(n);
  expect(known.written.slice(19).map((line) => line.slice(0, 9))).toEqual([
    'read  100',
    'read  200',
    'read  300',
  ]);
});

it('draws a bar on a terminal that never wraps', () => {
  for (const columns of [20, 33, 60, 80, 200]) {
    const { progress, written, pass } = setup({
      tty: true,
      columns,
      label: 'a rather long label',
      unit: 'samples',
    });
    for (let n = 1; n <= 100; n++) {
      pass(200);
      progress.tick(n, 'loss 1.2345');
    }
    for (const frame of written) {
      expect(frame.startsWith('\r')).toBe(true);
      expect(frame.slice(1).replace(ESCAPE, '').length, `${columns}`).toBeLessThan(columns);
    }
  }
});

it('redraws at most ten times a second', () => {
  const { progress, written, pass } = setup({ tty: true });
  for (let n = 1; n <= 99; n++) {
    pass(10);
    progress.tick(n);
  }
  expect(written.length).toBeLessThanOrEqual(11);
  progress.tick(100);
  expect(written.at(-1)).toContain('100/100');
});

it('uses no colour with NO_COLOR, and no bar on a dumb terminal', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is tested
  const colour = /\x1b\[\d+m/;
  const run = (env: Record<string, string>) => {
    const { progress, text } = setup({ tty: true, env });
    progress.tick(100);
    progress.done();
    return text();
  };
  expect(run({})).toMatch(colour);
  expect(run({ NO_COLOR: '' })).toMatch(colour);
  expect(run({ NO_COLOR: '1' })).not.toMatch(colour);
  expect(run({ TERM: 'dumb' })).not.toContain('\r');
});

it('prints other lines above the bar', () => {
  const { progress, stream, written, text } = setup({ tty: true, env: { NO_COLOR: '1' } });
  say('from elsewhere', stream);
  progress.say('from here');
  expect(text()).toContain('\r\x1b[Kfrom elsewhere\n\r\x1b[Ktrain');
  expect(text()).toContain('\r\x1b[Kfrom here\n\r\x1b[Ktrain');
  progress.done('kept 3');
  progress.done();
  progress.tick(5);
  const before = written.length;
  say('after', stream);
  expect(written.slice(before)).toEqual(['after\n']);
  expect(text().match(/kept 3/g)).toHaveLength(1);
});

it('does not count the steps of an earlier run for the rate', () => {
  const { progress, written, pass } = setup({ start: 80, every: 10 });
  for (let n = 81; n <= 90; n++) {
    pass(1000);
    progress.tick(n);
  }
  expect(written).toEqual(['train   90/100  1.00 steps/s  10 s left\n']);
});

it('follows a change of speed', () => {
  const { progress, written, pass } = setup({ total: 10_000, every: 1000 });
  for (let n = 1; n <= 2000; n++) {
    pass(n <= 1000 ? 10 : 100);
    progress.tick(n);
  }
  expect(written[0]).toContain('100 steps/s  1 min 30 s left');
  expect(written[1]).toMatch(/ 10\.\d steps\/s {2}13 min/);
});

it.each([
  [0, '0.0 s'],
  [9940, '9.9 s'],
  [9960, '10 s'],
  [59_400, '59 s'],
  [59_900, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_900, '1 h 00 min'],
  [7_620_000, '2 h 07 min'],
  [86_399_999, '1 d 0 h'],
  [273_600_000, '3 d 4 h'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
