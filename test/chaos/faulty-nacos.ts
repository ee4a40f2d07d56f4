/**
 * A proxy between clients and a Nacos (HTTP API v1) that misbehaves on command. Pushes, which a server sends directly to a
 * client's UDP port, also pass through it: it replaces the port in a client's list queries by that of a relay.
 * Limits: no gRPC; buffers whole bodies.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once, setMaxListeners } from 'node:events';
import { Agent, createServer, request as send, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** An instance as Nacos lists it. */
export interface ListedHost {
  healthy: boolean;
  enabled: boolean;
  metadata: Record<string, string>;
}

/** Which calls a fault affects: all; those that read; lists of instances; configuration documents. */
export type Calls = 'all' | 'reads' | 'lists' | 'documents';

/** What happens to an affected call. */
export type Answer =
  /** Waits until the fault is over, then continues. */
  | { readonly how: 'hang' }
  | { readonly how: 'delay'; readonly ms: number }
  | { readonly how: 'status'; readonly status: number; readonly body: string }
  | { readonly how: 'reset' }
  /** Sends half of the body, then ends the connection. */
  | { readonly how: 'truncated' }
  /** Replaces the hosts in lists, and in pushes. */
  | { readonly how: 'hosts'; readonly edit: (hosts: ListedHost[]) => ListedHost[] };

/** What goes wrong. */
export interface Fault {
  readonly calls?: Calls;
  readonly answer?: Answer;
  /** What happens to pushes; default: they pass. */
  readonly pushes?: 'drop' | { readonly delayMs: number };
}

/** A running proxy. */
export interface FaultyNacos {
  readonly port: number;
  /** `host:port` for clients. */
  readonly address: string;
  /** How many calls and pushes the fault affected. A fault that affects none proves nothing. */
  readonly met: number;
  /** Begins a fault, which replaces the previous one. */
  set(fault: Fault): void;
  /** Ends the fault: hanging calls continue. */
  clear(): void;
  /** From now on rejects the access tokens issued so far, as if they had expired. */
  expireTokens(): void;
  /** Refuses connections, and cuts the open ones, like a killed process. */
  down(): Promise<void>;
  /** Accepts connections again, on the same port; `upstream` replaces the server. */
  up(upstream?: string): Promise<void>;
  close(): Promise<void>;
}

const isDocument = (path: string): boolean => path.includes('/cs/configs');
const isListener = (path: string): boolean => path.endsWith('/cs/configs/listener');
const isList = (path: string): boolean => path.endsWith('/ns/instance/list');

function isAbout(calls: Calls, method: string, path: string): boolean {
  if (calls === 'all') return true;
  if (calls === 'lists') return isList(path);
  if (calls === 'documents') return isDocument(path);
  return method === 'GET' || isListener(path);
}

/**
 * Starts a proxy in front of `upstream` (`host:port`), on a free loopback port. `cacheMillis`: how often clients should ask for lists, in
 * milliseconds, instead of what the server says. `clientHost`: this machine's address as the server reaches it.
 */
export async function startFaultyNacos(upstream: string, cacheMillis?: number, clientHost = '127.0.0.1'): Promise<FaultyNacos> {
  let server: Server;
  let target = new URL(`http://${upstream}`);
  let fault: Fault = {};
  let over = new AbortController();
  let met = 0;
  setMaxListeners(0, over.signal);
  const tokens = new Set<string>();
  const expired = new Set<string>();
  const relays = new Map<number, Promise<UdpSocket>>();
  const agent = new Agent({ keepAlive: true });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const url = new URL(request.url ?? '/', 'http://nacos');
    const path = url.pathname;
    const udpPort = Number(url.searchParams.get('udpPort') ?? 0);
    if (udpPort > 0) {
      url.searchParams.set('udpPort', String((await relayOf(udpPort)).address().port));
      url.searchParams.set('clientIP', clientHost);
    }
    const token = url.searchParams.get('accessToken') ?? request.headers['accesstoken'];
    if (typeof token === 'string' && expired.has(token)) {
      met++;
      return answer(response, 403, '{"status":403,"error":"Forbidden","message":"token expired!"}');
    }

    const { answer: wrong } = fault;
    if (wrong === undefined || !isAbout(fault.calls ?? 'all', request.method ?? 'GET', path)) return forward(request, response, url, body);
    met++;
    // Changed answers are changes to report: answer the waiting clients, so that they ask again.
    if (isListener(path) && wrong.how === 'status' && fault.calls === 'documents') return listen(request, response, body);
    switch (wrong.how) {
      case 'hang':
        await until(over.signal);
        return forward(request, response, url, body);
      case 'delay':
        await new Promise((resolve) => setTimeout(resolve, wrong.ms));
        return forward(request, response, url, body);
      case 'status':
        return answer(response, wrong.status, wrong.body);
      case 'reset':
        return void request.socket.resetAndDestroy();
      case 'truncated':
        return forward(request, response, url, body, (whole) => {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length + 1 });
          response.write(whole.subarray(0, whole.length >> 1), () => request.socket.destroy());
        });
      case 'hosts':
        if (!isList(path)) return forward(request, response, url, body);
        return forward(request, response, url, body, (whole, status) => answer(response, status, edited(whole.toString(), wrong.edit, cacheMillis)));
    }
  }

  /** Tells a client that knows a document that it changed, once per fault; others wait until the fault is over. */
  async function listen(_request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    const [first = ''] = (new URLSearchParams(body.toString()).get('Listening-Configs') ?? '').split('\x01');
    const [dataId, group, md5 = '', tenant] = first.split('\x02');
    if (md5 === '') await until(over.signal);
    const changed = [dataId, group, ...(tenant === undefined || tenant === '' ? [] : [tenant])].join('\x02');
    answer(response, 200, `${encodeURIComponent(`${changed}\x01`)}\n`);
  }

  function forward(request: IncomingMessage, response: ServerResponse, url: URL, body: Buffer, take?: (body: Buffer, status: number) => void): void {
    const onward = send(
      {
        ...{ agent, host: target.hostname, port: target.port, method: request.method, path: url.pathname + url.search },
        headers: { ...request.headers, host: target.host, 'content-length': String(body.length) },
      },
      (answered) => {
        const chunks: Buffer[] = [];
        answered.on('data', (chunk: Buffer) => chunks.push(chunk));
        answered.on('error', () => request.socket.destroy());
        answered.on('end', () => {
          const whole = Buffer.concat(chunks);
          const status = answered.statusCode ?? 502;
          if (url.pathname.includes('/auth/'))
            for (const [, token] of whole.toString().matchAll(/"accessToken":"([^"]+)"/g)) tokens.add(token as string);
          if (take !== undefined) return take(whole, status);
          if (cacheMillis !== undefined && isList(url.pathname) && status === 200)
            return answer(response, status, changed(whole.toString(), { cacheMillis }));
          const { 'transfer-encoding': _framing, connection: _connection, ...headers } = answered.headers;
          response.writeHead(status, { ...headers, 'content-length': whole.length }).end(whole);
        });
      },
    );
    onward.on('error', () => request.socket.resetAndDestroy());
    response.on('close', () => onward.destroy());
    // A wait must not continue across the beginning or end of a fault: the client asks again.
    if (isListener(url.pathname)) over.signal.addEventListener('abort', () => answer(response, 200, ''), { once: true });
    onward.end(body);
  }

  /** The socket that replaces a client's port. Packets from that port are acknowledgements, all others are pushes. */
  function relayOf(clientPort: number): Promise<UdpSocket> {
    let relay = relays.get(clientPort);
    if (relay === undefined) relays.set(clientPort, (relay = openRelay(clientPort)));
    return relay;
  }

  async function openRelay(clientPort: number): Promise<UdpSocket> {
    const socket = createSocket('udp4');
    const serverHost = target.hostname;
    let serverPort = 0;
    socket.on('error', () => {});
    socket.on('message', (packet, from) => {
      if (from.port === clientPort && from.address === '127.0.0.1') {
        if (serverPort > 0) socket.send(packet, serverPort, serverHost, () => {});
        return;
      }
      serverPort = from.port;
      const { pushes, answer: wrong } = fault;
      if (pushes !== undefined) met++;
      if (pushes === 'drop') return;
      const passed = wrong?.how === 'hosts' ? editedPush(packet, wrong.edit) : packet;
      const pass = (): void => socket.send(passed, clientPort, '127.0.0.1', () => {});
      if (pushes === undefined) pass();
      else setTimeout(pass, pushes.delayMs).unref();
    });
    // Packets leave from the address of their route: loopback towards the client.
    socket.bind(0, clientHost === '127.0.0.1' ? clientHost : '0.0.0.0');
    await once(socket, 'listening');
    socket.unref();
    return socket;
  }

  function change(next: Fault): void {
    fault = next;
    met = 0;
    const before = over;
    over = new AbortController();
    setMaxListeners(0, over.signal);
    before.abort();
  }

  async function listenOn(port: number): Promise<void> {
    server = createServer((request, response) => {
      handle(request, response).catch(() => request.socket.destroy());
    });
    server.keepAliveTimeout = 30_000;
    server.on('clientError', (_error, socket) => socket.destroy());
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }

  async function down(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  await listenOn(0);
  const { port } = (server! as Server).address() as AddressInfo;
  return {
    port,
    address: `127.0.0.1:${port}`,
    get met() {
      return met;
    },
    set: change,
    clear: () => change({}),
    expireTokens() {
      for (const token of tokens) expired.add(token);
    },
    down,
    async up(next) {
      if (next !== undefined) target = new URL(`http://${next}`);
      await listenOn(port);
    },
    async close() {
      change({});
      if (server.listening) await down();
      for (const relay of relays.values()) (await relay).close();
      agent.destroy();
    },
  };
}

/** A proxy in front of each server. Faults affect all of them, or one. */
export interface FaultyServers extends Omit<FaultyNacos, 'port' | 'up'> {
  readonly servers: readonly FaultyNacos[];
  /** All accept connections again, on the same ports, for these servers. */
  up(upstreams: readonly string[]): Promise<void>;
}

/** Starts a proxy in front of each of `upstreams`; the other options are those of {@link startFaultyNacos}. */
export async function startFaultyServers(upstreams: readonly string[], cacheMillis?: number, clientHost?: string): Promise<FaultyServers> {
  const servers: FaultyNacos[] = [];
  for (const upstream of upstreams) servers.push(await startFaultyNacos(upstream, cacheMillis, clientHost));
  return {
    servers,
    address: servers.map(({ address }) => address).join(','),
    get met() {
      return servers.reduce((sum, { met }) => sum + met, 0);
    },
    set: (fault) => servers.forEach((one) => one.set(fault)),
    clear: () => servers.forEach((one) => one.clear()),
    expireTokens: () => servers.forEach((one) => one.expireTokens()),
    down: async () => void (await Promise.all(servers.map((one) => one.down()))),
    up: async (next) => void (await Promise.all(servers.map((one, i) => one.up(next[i])))),
    close: async () => void (await Promise.all(servers.map((one) => one.close()))),
  };
}

function answer(response: ServerResponse, status: number, body: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json;charset=UTF-8', 'content-length': Buffer.byteLength(body) }).end(body);
}

function changed(list: string, changes: object): string {
  return JSON.stringify({ ...(JSON.parse(list) as object), ...changes });
}

function edited(list: string, edit: (hosts: ListedHost[]) => ListedHost[], cacheMillis?: number): string {
  const { hosts } = JSON.parse(list) as { hosts: ListedHost[] };
  return changed(list, { hosts: edit(hosts), ...(cacheMillis === undefined ? {} : { cacheMillis }) });
}

function editedPush(packet: Buffer, edit: (hosts: ListedHost[]) => ListedHost[]): Buffer {
  const text = (packet[0] === 0x1f && packet[1] === 0x8b ? gunzipSync(packet) : packet).toString();
  const push = JSON.parse(text) as { type: string; data: string };
  return push.type === 'dom' ? Buffer.from(JSON.stringify({ ...push, data: edited(push.data, edit) })) : packet;
}

async function until(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
