/** Server-sent events in pieces of any size. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { EventReader } from '../../src/reasoning/eventStream.js';

function read(pieces: readonly string[]) {
  const reader = new EventReader();
  return { events: pieces.flatMap((piece) => reader.add(piece)), rest: reader.rest() };
}

it.each([
  ['data: a\n\ndata: b\n\n', ['a', 'b'], ''],
  ['data:a\r\n\r\ndata: b\r\n\r\n', ['a', 'b'], ''],
  ['data: a\rdata: b\r\rdata: c\r\r ', ['a\nb', 'c'], ''],
  [': keep-alive\n\nid: 7\nevent: x\ndata: a\n\n:\n\n', ['a'], ''],
  ['data\ndata: a\n\n\n\n', ['\na'], ''],
  ['dataset: a\n\ndata: b', [], 'b'],
  ['data: {"a":\ndata: 1}\n', [], '{"a":\n1}'],
])('%j holds %j', (text, events, rest) => {
  expect(read([text])).toEqual({ events, rest });
  const rng = new Rng(text);
  for (let trial = 0; trial < 20; trial++) {
    const pieces: string[] = [];
    for (let at = 0; at < text.length; ) {
      const size = 1 + rng.int(4);
      pieces.push(text.slice(at, at + size));
      at += size;
    }
    expect(read(pieces)).toEqual({ events, rest });
  }
});
