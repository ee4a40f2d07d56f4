/** A gateway in front of one instance, and raw sockets on both sides. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server } from 'node:http';
import { connect as connectHttp2, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Registry } from '@lane/core/model';
import { startGateway, type Gateway, type GatewayOptions } from '@lane/gateway';

const { registryOfOne } = require('../../servers/fixed-registry.cjs') as { registryOfOne(port: number): Registry };

/** A gateway whose only route leads to one address. */
export async function gatewayTo(port: number, more: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const registry = registryOfOne(port);
  const gateway = await startGateway({ port: 0, registry, entry: 'hosts', routes: [{ host: '*', service: 'web' }], ...more });
  await gateway.ready();
  return gateway;
}

/** A server that answers each request with its path, and records the requests. */
export async function startRecorder(): Promise<{ server: Server; port: number; seen: string[] }> {
  const seen: string[] = [];
  const server = createHttpServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.on('error', () => {});
    request.resume().on('end', () => response.end(`saw ${request.url}`));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, seen };
}

/** An instance that sends `answer` after each request's head, and then does as `ending` says. It answers `/normal` correctly. */
export async function startOddInstance(answer: () => { text: string; ending: 'keep' | 'end' | 'reset' }): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (chunk.includes(' /normal ')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        return;
      }
      const { text, ending } = answer();
      socket.write(text, 'latin1', () => {
        if (ending === 'end') socket.end();
        else if (ending === 'reset') socket.resetAndDestroy();
      });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

/** Sends raw bytes on a fresh connection, and returns everything that comes back until it closes, or until `enough`. */
export async function sendRaw(gateway: Gateway, text: string, enough?: RegExp): Promise<string> {
  const socket = connect(gateway.port, gateway.host).setEncoding('latin1');
  socket.on('error', () => {});
  socket.write(text, 'latin1');
  let answer = '';
  try {
    for await (const chunk of socket) {
      answer += chunk as string;
      if (enough?.test(answer) === true) break;
    }
  } catch {
    // A reset is also an answer.
  }
  socket.destroy();
  return answer;
}

/** Requests `/odd` over HTTP/2, and returns the answer as HTTP/1.1 would write it; nothing if the stream is reset before. */
export async function askByHttp2(gateway: Gateway): Promise<string> {
  const session = connectHttp2(gateway.url).on('error', () => {});
  const stream = session.request({ ':path': '/odd', ':authority': 'x' }).on('error', () => {});
  let answer = '';
  const note = (headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void => void (answer += `HTTP/1.1 ${headers[':status']} \r\n\r\n`);
  stream.on('headers', note).on('response', note);
  stream.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
  await new Promise<void>((resolve) => stream.once('close', () => resolve()));
  session.destroy();
  return answer;
}

/** The answer to an ordinary request. */
export function askNormally(gateway: Gateway): Promise<string> {
  return sendRaw(gateway, 'GET /normal HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
}
