/** Text in HTML and SVG. */
import { describe, expect, it } from 'vitest';
import { escapeHtml } from '../../src/report/escape.js';

describe('text in a page', () => {
  it.each([
    ['a < b & "c" > \'d\'', 'a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;'],
    ['turned \u202eround\u202c', 'turned \\u202eround\\u202c'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['bell\u0007, none\u0000, \uffff', 'bell\ufffd, none\ufffd, \ufffd'],
    ['two\r\nlines\tand a tab', 'two\nlines\tand a tab'],
    ['می\u200cخواهم 👨\u200d👩', 'می\u200cخواهم 👨\u200d👩'],
  ])('%j is %j', (text, shown) => expect(escapeHtml(text)).toBe(shown));
});
