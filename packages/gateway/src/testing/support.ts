/** Gateways, and real HTTP servers behind them that are registered in a real (embedded) Nacos. */
import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ask as send, freePort, listen, rulesOf as rulesOfDocument, shopGroup, textOf, type RawAnswer, type RawRequest } from '@lane/testing';
import { type EntryRule, type Lane, type LaneRules } from '@lane/core/rules';
import type { Instance, Registry, Unsubscribe } from '@lane/core/model';
import { beforeAll, expect, onTestFinished } from 'vitest';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection, type Registration } from '@lane/nacos-registry';
import { GATEWAY_SERVICE, startGateway, type Gateway, type GatewayOptions } from '../index.js';

let nacos: EmbeddedNacos;

/** Starts a Nacos for the tests of a file. */
export function useNacos(): void {
  beforeAll(async () => {
    nacos = await startEmbeddedNacos({ port: 0 });
    return () => nacos.close();
  });
}

export function connect(): NacosConnection {
  const connection = connectNacos({ server: nacos.address });
  onTestFinished(() => connection.close());
  return connection;
}

let count = 0;
/** A service that no other test uses. */
export const newService = (): string => `service-${++count}`;

/** What a backend saw of a request. */
export interface Seen {
  readonly backend: string;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The port of the gateway's end of the connection. */
  readonly peer: number | undefined;
}

export interface Backend {
  readonly server: http.Server;
  readonly port: number;
  readonly registration: Registration;
  /** Ends it at once, as a crash would: Nacos still lists it. */
  die(): Promise<void>;
}

/** Starts an HTTP server and registers it. By default it answers with what it saw. */
export async function startBackend(
  service: string,
  name: string,
  { tag, listener, host = '127.0.0.1', ...more }: Partial<Registration> & { tag?: string; listener?: RequestListener; host?: string } = {},
): Promise<Backend> {
  const server = http.createServer(listener ?? ((request, response) => void echo(name, request, response)));
  const port = await listen(server, host);
  const die = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(die);
  const registration: Registration = { ip: host, port, metadata: tag === undefined ? {} : { lane: tag }, ...more };
  await connect().register({ name: service, group: 'DEFAULT_GROUP' }, registration);
  return { server, port, registration, die };
}

export async function echo(backend: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '', headers, socket } = request;
  const peer = socket.remotePort;
  const seen: Seen = { backend, method, url, headers, body: await textOf(request), peer };
  response.setHeader('content-type', 'application/json').end(JSON.stringify(seen));
}

/** A connection that tells how many subscriptions it has. */
export function counted(connection: NacosConnection): Registry & { subscriptions: number } {
  const registry = {
    subscriptions: 0,
    state: undefined,
    defaultGroup: connection.defaultGroup,
    observe: (...given: Parameters<Registry['observe']>): Unsubscribe => {
      const unsubscribe = connection.observe(...given);
      registry.subscriptions++;
      return () => {
        registry.subscriptions--;
        unsubscribe();
      };
    },
    list: (...given: Parameters<Registry['list']>) => connection.list(...given),
    services: (group?: string) => connection.services(group),
    close: () => connection.close(),
  };
  return registry;
}

export async function startReadyGateway(options: Partial<GatewayOptions> & Pick<GatewayOptions, 'routes'>): Promise<Gateway> {
  const gateway = await startGateway({ port: 0, entry: 'hosts', registry: connect(), ...options });
  onTestFinished(() => gateway.close());
  await gateway.ready();
  return gateway;
}

export interface Asked extends RawRequest {
  readonly host?: string;
}

/** Begins a request; its body is left to the caller. */
export function begin(
  gateway: Gateway,
  { host = 'www.example.com', path = '/', method = 'GET', headers = {}, agent }: Asked = {},
): http.ClientRequest {
  return http.request({ host: gateway.host, port: gateway.port, path, method, headers: { host, ...headers }, agent: agent ?? false });
}

export function ask(gateway: Gateway, { host = 'www.example.com', headers = {}, ...asked }: Asked = {}): Promise<RawAnswer> {
  return send(gateway.port, { headers: { host, ...headers }, ...asked }, gateway.host);
}

/** What the backend saw of a request that was served. */
export async function see(gateway: Gateway, asked: Asked = {}): Promise<Seen> {
  const { status, body } = await ask(gateway, asked);
  expect(status, body).toBe(200);
  return JSON.parse(body) as Seen;
}

/** Waits until a connection has told all its subscribers of so many usable instances: those that came first were told first. */
export function untilInstances(registry: NacosConnection, service: string, wanted: number): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = registry.observe({ name: service, group: 'DEFAULT_GROUP' }, (instances: readonly Instance[]) => {
      if (instances.length !== wanted) return;
      queueMicrotask(() => unsubscribe());
      resolve();
    });
  });
}

/** Something that comes once, and is waited for. */
export function arrival<T>(): { came: (value: T) => void; first: Promise<T> } {
  let came: (value: T) => void = () => {};
  const first = new Promise<T>((resolve) => (came = resolve));
  return { came, first };
}

/** Registers an address where nothing listens. */
export async function registerDead(service: string, more: Partial<Registration> = {}): Promise<Registration> {
  const registration = { ip: '127.0.0.1', port: await freePort(), ...more };
  await connect().register({ name: service, group: 'DEFAULT_GROUP' }, registration);
  return registration;
}

export function rulesOf(service: string, lanes: readonly Lane[], entry = GATEWAY_SERVICE): LaneRules {
  return rulesOfDocument(shopGroup([service], entry, lanes));
}

export const BY_DOMAIN: EntryRule = { name: 'by-domain', match: { host: { exact: 'www.example.com' } } };
export const grayLane = (more: Partial<Lane> = {}): Lane => ({ name: 'gray', tag: 'gray', rules: [BY_DOMAIN], ...more });

export const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** Asks for a WebSocket; gives the socket and the answer's head. */
export async function upgrade(gateway: Gateway, { host = 'www.example.com', headers = '' } = {}): Promise<{ socket: Socket; answer: string }> {
  const socket = connectSocket(gateway.port, gateway.host).setEncoding('utf8');
  onTestFinished(() => void socket.destroy());
  socket.write(`GET /chat HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`);
  let answer = '';
  while (!answer.includes('\r\n\r\n')) {
    const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [undefined])])) as [string | undefined];
    if (chunk === undefined) break;
    answer += chunk;
  }
  return { socket, answer };
}

/** Takes WebSockets and sends back what comes; tells of the requests. */
export function echoSockets({ server }: Backend): IncomingMessage[] {
  const requests: IncomingMessage[] = [];
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    requests.push(request);
    socket.on('error', () => {});
    socket.write(SWITCHING);
    socket.pipe(socket);
  });
  return requests;
}

export function keepAliveAgent(): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return agent;
}
