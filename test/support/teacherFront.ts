/** A server in front of a teacher: it keeps the requests, passes them on, and fails some in the ways servers do. */
import { setTimeout as wait } from 'node:timers/promises';
import { json, stream, teacherServer } from '../reasoning/teacherServer.js';

/** HTTP 500; 429 with retry-after; a body that is no JSON; an empty answer; an answer that breaks off; a slow start. */
export const FAULTS = ['error', 'busy', 'garbage', 'empty', 'truncated', 'slow'] as const;

/** @param faults what happens to the first requests, one entry each; the others are passed on. */
export async function teacherFront(url: string, faults: readonly ((typeof FAULTS)[number] | 'none')[] = []) {
  return teacherServer(async ({ number, body }, response) => {
    const fault = faults[number - 1];
    if (fault === 'error') return json(response, 500, { error: { message: 'out of order' } });
    if (fault === 'busy')
      return json(response, 429, { error: { message: 'too many requests' } }, { 'retry-after': '0' });
    if (fault === 'garbage') return void response.end('{"choices": [{"message": <html>Bad gateway</html>');
    if (fault === 'empty') return stream(response, '');
    if (fault === 'slow') await wait(50);
    const answer = await fetch(`${url}/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type')! });
    if (fault === 'truncated') response.write(text.slice(0, text.length / 2), () => response.destroy());
    else response.end(text);
  });
}
