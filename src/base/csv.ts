/** Writes comma-separated values (RFC 4180, with \n line ends). */

/** Rows of fields as text; a field with a comma, a quote or a line break is quoted. */
export function csv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(field).join(',')}\n`).join('');
}

const field = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
