/** Text of others as a terminal may show it. */
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { visible } from '../../src/base/values.js';

it('escapes what a terminal obeys, or hides, and keeps what people write', () => {
  const kept = 'a\tb\nقال ۱، بی‌خانه 👨‍👩‍👧 ✓ שלום é 猫 {}"\\';
  expect(visible(kept)).toBe(kept);
  expect(visible('\u001b[2J\rx\u009b1m\u0000')).toBe('\\u001b[2J\\u000dx\\u009b1m\\u0000');
  expect(visible('\u202eevil\u2066\u200b\u00ad\ufeff\u2028')).toBe(
    '\\u202eevil\\u2066\\u200b\\u00ad\\ufeff\\u2028',
  );
  expect(visible('\u{e0041}')).toBe('\\udb40\\udc41');
});

it('leaves no control or mark of direction, and the value of JSON as it is', () => {
  const rng = new Rng('visible');
  const units = Array.from({ length: 5000 }, () => rng.int(0x3000));
  const text = String.fromCodePoint(...units);
  const shown = visible(JSON.stringify([text]));
  expect(JSON.parse(shown)).toEqual([text]);
  expect(shown).not.toMatch(/(?![\t\n])\p{Cc}|\p{Bidi_Control}|\p{Zl}|\p{Zp}/u);
});
