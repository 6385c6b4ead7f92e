/** Text in HTML and SVG. */
import { visible } from '../base/values.js';

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text made safe inside HTML and SVG, in elements and in quoted attributes. Control characters become U+FFFD; marks that
 * hide or turn round the text beside them are written out, `\u202e` ({@link visible}).
 */
export function escapeHtml(text: string): string {
  const shown = text
    .replace(/\r\n?/g, '\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those that HTML and XML forbid
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/g, '\ufffd');
  return visible(shown).replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
