/** A judge behind a server: its verdicts, and that whatever fails there does not apply. */
import { afterEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import type { Sample } from '../../src/data/sample.js';
import { judge, verdictOf } from '../../src/rewards/judge.js';
import type { JudgeSettings } from '../../src/rewards/reward.js';
import { type Reply, stream, teacherServer } from '../reasoning/teacherServer.js';

const sample: Sample = {
  ...{
    id: 's',
    dataset: 'jsonl',
    video: 'v.mp4',
    question: 'why did the dog bark?',
    options: [],
    type: 'why',
  },
  answers: ['a car came', 'a car arrived'],
};

describe('a verdict', () => {
  it.each([
    ['full', 1],
    ['Partly.', 0.5],
    ['**none**', 0],
    ['Verdict: full', 1],
    ['The answer names the car.\nVerdict: partly', 0.5],
    ['full or none', null],
    ['The full truth is not in it', null],
    ['2', null],
    ['', null],
    ['fully', null],
  ])('of %j is %s', (reply, expected) => {
    expect(verdictOf(reply)).toBe(expected);
  });
});

describe('a judge behind a server', () => {
  let close: (() => Promise<void>) | undefined;
  afterEach(() => close?.());

  async function asked(reply: Reply, texts: readonly string[], settings: Partial<JudgeSettings> = {}) {
    const server = await teacherServer(reply);
    close = server.close;
    const notices: string[] = [];
    const reward = judge({
      ...{ tagged: false, iouRange: [0, 1] },
      judge: { url: server.url, model: 'judge', onNotice: (line) => notices.push(line), ...settings },
    });
    const values = await Promise.all(texts.map((text) => reward.of({ sample, text })));
    return { values, notices, received: server.received };
  }

  it('is asked with question, truth and answer', async () => {
    const { values, notices, received } = await asked((_, response) => stream(response, 'partly'), ['a car']);
    expect(values).toEqual([0.5]);
    expect(notices).toEqual([]);
    for (const part of ['why did the dog bark?', 'a car came / a car arrived', '---\na car\n---'])
      expect(received[0]!.prompt).toContain(part);
  });

  it.each([
    ['writes prose', (_, response) => stream(response, 'I would say that it is quite a good answer')],
    ['has an error', (_, response) => void response.writeHead(500).end('no')],
    ['refuses the key', (_, response) => void response.writeHead(401).end('no')],
    ['hangs', () => undefined],
    ['breaks off', (_, response) => void response.socket!.destroy()],
  ] as [string, Reply][])('does not apply when it %s, and says so once', async (_, reply) => {
    const { values, notices } = await asked(reply, ['a car', 'a cat'], { totalMs: 150 });
    expect(values).toEqual([null, null]);
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/^the judge at http.* gave no verdict \(.+\)/);
  });

  it.each([
    ['hangs', true, () => undefined],
    [
      'asks to come back in a quarter of an hour',
      false,
      (_, response) => void response.writeHead(503, { 'retry-after': '900' }).end(),
    ],
  ] as [string, boolean, Reply][])(
    'that %s holds up a step once, not once for all who wait',
    async (_, comesBack, reply) => {
      let works = false;
      const server = await teacherServer((asked, response) =>
        works ? stream(response, 'full') : reply(asked, response),
      );
      close = server.close;
      const reward = judge({
        ...{ tagged: false, iouRange: [0, 1] },
        judge: { url: server.url, model: 'judge', totalMs: 1000 },
      });
      const step = () =>
        Promise.all(Array.from({ length: 64 }, (_, i) => reward.of({ sample, text: `a car ${i}` })));
      expect(new Set(await step())).toEqual(new Set([null]));
      // Eight at once, each at most twice.
      expect(server.received.length).toBeLessThanOrEqual(16);
      works = true;
      // The other is left alone as long as it asked for.
      if (comesBack) expect(await step()).toContain(1);
    },
  );

  it('is not asked about an empty answer, nor about a sample without answers', async () => {
    const { values, received } = await asked((_, response) => stream(response, 'full'), ['', ' ']);
    expect(values).toEqual([0, 0]);
    expect(received).toEqual([]);
    const { answers: _, ...blind } = sample;
    const reward = judge({ tagged: false, iouRange: [0, 1] });
    expect(reward.of({ sample: blind, text: 'a car' })).toBeNull();
  });

  it('stops the run where its address cannot work', async () => {
    const reward = judge({ tagged: false, iouRange: [0, 1], judge: { url: 'nowhere', model: 'judge' } });
    await expect(reward.of({ sample, text: 'a car' })).rejects.toThrow(UsageError);
  });
});
