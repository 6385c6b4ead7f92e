/** Requests to the server: replies as JSON, and an answer as the events that it is told in. */

/** The server's refusal, in its words. */
export class Refused extends Error {}

/** A reply as JSON. @throws {Refused} */
export async function call(path, init = {}) {
  const response = await fetch(path, init);
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? undefined : response.json();
}

async function refusal(response) {
  const told = await response.json().catch(() => undefined);
  return new Refused(told?.error ?? `The server answered ${response.status}.`);
}

/**
 * Asks, and yields events {event, ...data} as they come.
 *
 * @throws {Refused} before or in the stream, or when it breaks off
 */
export async function* ask(body, signal) {
  const response = await fetch('/api/ask', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) throw await refusal(response);
  let last;
  for await (const event of eventsOf(response.body.getReader())) {
    if (event.event === 'error') throw new Refused(event.error);
    last = event.event;
    yield event;
  }
  if (last !== 'done') throw new Refused('The server broke off.');
}

/** Server-sent events of a stream of bytes, however they are cut. */
export async function* eventsOf(reader) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
      if (event) yield { ...JSON.parse(data), event };
    }
  }
}
