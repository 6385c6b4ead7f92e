/** Reads server-sent events (the stream of the HTML standard, 9.2.6) from pieces of text. */

/**
 * The data of events, whose lines end in LF, CR LF or CR. Comments (`: keep-alive`) and fields other than `data` are
 * passed over.
 */
export class EventReader {
  /** The beginning of a line whose end has not come. */
  private open = '';
  private data: string[] = [];

  /** The data of the events that `piece` completes. */
  add(piece: string): string[] {
    if (!/[\r\n]/.test(piece) && !this.open.endsWith('\r')) {
      this.open += piece;
      return [];
    }
    const lines = (this.open + piece).split(/\r\n|\n|\r(?!$)/);
    this.open = lines.pop() as string;
    const events: string[] = [];
    for (const line of lines) {
      if (line !== '') this.line(line);
      else if (this.data.length > 0) events.push(this.take());
    }
    return events;
  }

  /** The data of an event that nothing ended: some servers close the connection after its last line. */
  rest(): string {
    this.line(this.open);
    this.open = '';
    return this.take();
  }

  private line(line: string): void {
    const match = /^data(?:: ?|$)/.exec(line);
    if (match) this.data.push(line.slice(match[0].length));
  }

  private take(): string {
    const data = this.data.join('\n');
    this.data = [];
    return data;
  }
}
