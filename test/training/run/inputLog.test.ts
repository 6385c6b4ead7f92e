/** Speed, wait and padding between two lines of metrics. */
import { expect, it } from 'vitest';
import { InputLog } from '../../../src/training/run/inputLog.js';

const none = { positions: 0, padded: 0 };

it('is what came and was waited for since the last line, by the clock from the asking on', () => {
  let now = 1000;
  const log = new InputLog(() => now);
  expect(log.line).toBe('');
  // 100 ms of waiting, then 900 ms of step, twice.
  for (let batch = 0; batch < 2; batch++) {
    now += 100;
    const encoder = { positions: 100, padded: 10 };
    log.add({ samples: 8, waited: 100, encoder, decoder: { positions: 50, padded: 20 + batch * 10 } });
    now += 900;
  }
  expect(log.take()).toEqual({
    'input/samples_per_second': 8,
    'input/wait_share': 0.1,
    'input/encoder_padding': 0.1,
    'input/decoder_padding': 0.5,
  });
  expect(log.line).toBe('8.0 samples/s, wait 10.0 %, padding 50.0 %');
  now += 500;
  log.add({ samples: 4, waited: 0, encoder: none, decoder: none });
  now += 500;
  expect(log.take()).toEqual({ 'input/samples_per_second': 4, 'input/wait_share': 0 });
  expect(log.line).toBe('4.0 samples/s, wait 0.0 %');
});

it('leaves out what passes between epochs, and keeps what was measured before', () => {
  let now = 0;
  const log = new InputLog(() => now);
  log.add({ samples: 5, waited: 0, encoder: none, decoder: none });
  now = 1000;
  log.pause();
  now = 60_000;
  now += 500;
  log.add({ samples: 5, waited: 500, encoder: none, decoder: none });
  now += 500;
  expect(log.take()).toEqual({ 'input/samples_per_second': 5, 'input/wait_share': 0.25 });
  log.pause();
  now += 1000;
  log.pause();
  expect(log.take()).toEqual({});
});
