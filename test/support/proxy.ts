/** A web proxy on loopback that leads every host to one server, and writes down what it is asked. */
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ProxyAnswers {
  /** Port of the server that stands for all hosts. */
  port?: number;
  /** Answers every request with this status instead. */
  status?: number;
  /** Closes the connection of every request instead. */
  drops?: boolean;
}

export async function webProxy({ port = 0, status, drops = false }: ProxyAnswers) {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const note = (request: IncomingMessage) => {
    asked.push(`${request.method} ${request.url}`);
    authorizations.push(request.headers['proxy-authorization']);
  };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    note(request);
    if (drops) return void request.socket.destroy();
    if (status) return void response.writeHead(status).end('proxy says no');
    const { pathname, search } = new URL(request.url!);
    const { method, headers } = request;
    const onward = send({ host: '127.0.0.1', port, method, path: pathname + search, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
      answer.on('close', () => answer.complete || response.destroy());
    });
    request.pipe(onward);
  });
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    note(request);
    client.on('error', () => {});
    if (drops) return void client.destroy();
    if (status) return void client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const onward = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connected\r\n\r\n');
      client.pipe(onward).pipe(client);
    });
    onward.on('error', () => client.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    authorizations,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Clears every proxy variable of this machine with vitest's `stubEnv`. */
export function withoutProxies(stub: (name: string, value: string) => void): void {
  for (const name of ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy']) {
    stub(name, '');
    stub(name.toUpperCase(), '');
  }
}
