/** A server with the small model that ships, for tests. */
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type RunningServer, type ServeOptions, startServer } from '../../src/serve/server.js';
import { openAsked } from '../../src/training/asked.js';
import { useFastEngine } from '../model/support.js';

/** Starts one; what it reports as its own fault goes to `errors`. */
export async function serveShapes(
  options: Partial<ServeOptions> = {},
): Promise<RunningServer & { errors: string[] }> {
  await useFastEngine();
  const errors: string[] = [];
  const server = await startServer({
    ...{ host: '127.0.0.1', port: 0, uploadBytes: 1e6, videos: 5, queue: 3 },
    onError: (line) => errors.push(line),
    ...options,
  });
  await server.open(await openAsked({}), true);
  return { ...server, errors };
}

export interface Reply {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Sent {
  method?: string;
  headers?: Record<string, string>;
  /** Ends the request unless it writes itself. */
  write?: (request: ClientRequest) => void;
}

/** A request without what fetch adds or forbids. */
export async function send(url: string, { method = 'GET', headers = {}, write }: Sent = {}): Promise<Reply> {
  const sent = request(url, { method, headers, agent: false });
  // The server may refuse while the body is still being sent.
  sent.on('error', () => {});
  if (write) write(sent);
  else sent.end();
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  const body = await text(reply).catch(() => '');
  sent.destroy();
  return { status: reply.statusCode!, headers: reply.headers, body };
}
