/**
 * The entry gateway: sends requests by Host and path to a service behind the registry, in the lane that the route names
 * (mode `hosts`, as an Ingress does), or in the lane that the entry rules give (mode `rules`).
 *
 * httpxy does the proxying: the living successor of http-proxy in the unjs family, typed, without dependencies, streaming,
 * with upgrades, and with requests of HTTP/2. What it is given here are connections that are there (instance-connection.ts),
 * heads that are fit to be sent on (forwarding.ts), and limits to its patience.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { compileTrust, requestView, type LaneRules, type Trust } from '@lane/core/rules';
import {
  createTagCodec,
  decideRequestTag,
  DEFAULT_FORMATS,
  LaneUnavailableError,
  pick,
  ServiceTables,
  SILENT_LOG,
  type Decision,
  type FormatName,
  type Instance,
  type Log,
  type Registry,
} from '@lane/core/model';
import type { AccessEntry } from './access-log.js';
import { addressOf, Exchange } from './exchange.js';
import { clientOf, createTagPassing, removeHopByHop, tellClient, toOriginForm } from './forwarding.js';
import { agentOf, connectInstance, InstanceAgent, InstanceTimeoutError, NotConnectedError } from './instance-connection.js';
import { startListener, type AnyRequest, type AnyResponse, type Certificate } from './listener.js';
import { compileRoutes, findRoute, servicesOf, targetOf, type CompiledTarget, type GatewayRoute, type RouteTable } from './routes.js';

/** `hosts`: a route says which lane serves, and no tag is sent. `rules`: entry rules decide, and the tag is sent. */
export type EntryMode = 'hosts' | 'rules';

/** How long the gateway waits for what, in milliseconds. */
export interface GatewayTimeouts {
  /** For a connection to an instance; then another one is tried. Default 3 s. */
  readonly connectMs?: number;
  /** For the head of the answer, once the request has been sent. Default 60 s. */
  readonly responseMs?: number;
  /** For any byte of a body, either way. Not for WebSockets. Default 300 s. */
  readonly idleMs?: number;
  /** For the head of a client's request. Default 30 s. */
  readonly headersMs?: number;
  /** For a client's next request on its connection. Default 65 s: longer than the 60 s of load balancers before it. */
  readonly keepAliveMs?: number;
}

/** Options of {@link startGateway}. */
export interface GatewayOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly registry: Registry;
  readonly routes: readonly GatewayRoute[];
  readonly entry: EntryMode;
  /** The lane groups in force; undefined where none are known. */
  readonly rules?: LaneRules | undefined;
  /** The name under which lane groups have the gateway as entry. Default `lane-gateway`. */
  readonly service?: string;
  /** Whose tags and `X-Forwarded-*` are believed: nobody's by default, since an entry faces the world; CIDRs of peers, or `all`. */
  readonly trust?: Trust;
  /** Formats written, and read from trusted peers. Those of untrusted ones are taken away in every format there is. */
  readonly formats?: readonly FormatName[];
  readonly baggageKey?: string;
  /** With a certificate it speaks TLS: HTTP/2 and HTTP/1.1. Without: HTTP/1.1, and HTTP/2 by prior knowledge. */
  readonly certificate?: Certificate;
  readonly timeouts?: GatewayTimeouts;
  /** A path that answers 200 while requests are welcome, and 503 from {@link Gateway.startDraining} on. Default: none is taken from the services. */
  readonly healthPath?: string;
  /** Told of each request when it is over. */
  readonly onAccess?: (entry: AccessEntry) => void;
  readonly log?: Log;
}

/** A running gateway. */
export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, or `https:`. */
  readonly url: string;
  /** Resolves when the registry has told of every service that a route names. */
  ready(): Promise<void>;
  /** Whether requests are welcome. */
  readonly isDraining: boolean;
  /** Whether the registry has told of every service. */
  readonly isReady: boolean;
  /** Puts other lane groups in force. */
  setRules(rules: LaneRules | undefined): void;
  /** Puts another certificate in force, for connections to come. Throws where it is none. */
  setCertificate(certificate: Certificate): void;
  /** Tells health checks and clients on open connections to go elsewhere, and serves them meanwhile. */
  startDraining(): void;
  /** Stops taking requests, lets those under way end, WebSockets too, by force after `deadlineMs` (default 10 s); then resolves. */
  close(deadlineMs?: number): Promise<void>;
}

/** The service name of the gateway in lane groups. */
export const GATEWAY_SERVICE = 'lane-gateway';

/** How often a request is tried on another instance, where nothing of it was sent. */
const MAX_TRIES = 3;
const CLOSE_DEADLINE_MS = 10_000;
const CLIENT_LEFT = 499;

/** Starts a gateway. Rejects with code `ELANE_PORT_IN_USE` where the port is taken. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { registry, entry, host = '127.0.0.1', service = GATEWAY_SERVICE, log = SILENT_LOG, onAccess } = options;
  const { connectMs = 3_000, responseMs = 60_000, idleMs = 300_000, headersMs = 30_000, keepAliveMs = 65_000 } = options.timeouts ?? {};
  const routes = compileRoutes(options.routes);
  const codec = createTagCodec({
    ...(options.formats === undefined ? {} : { formats: options.formats }),
    ...(options.baggageKey === undefined ? {} : { baggageKey: options.baggageKey }),
    groupOf: (tag) => tables.rules?.groupOf(tag),
    onUnwritable: (message) => log.warn(message),
  });
  const tables = new ServiceTables({ formats: options.formats ?? DEFAULT_FORMATS });
  const trusts = compileTrust(options.trust ?? 'none');
  const passTag = createTagPassing(codec, options.baggageKey);
  // ES module only; a CommonJS package gets it this way on every Node.
  const { createProxyServer } = await import('httpxy');
  const agent = new InstanceAgent(connectMs);
  const proxy = createProxyServer({ agent });
  const upgrades = createProxyServer();
  const exchanges = new WeakMap<object, Exchange>();
  const tunnels = new Set<Socket>();
  let draining = false;
  let closing: Promise<void> | undefined;
  tables.setRules(options.rules);

  const unsubscribes: Array<() => void> = [];
  let isReady = false;
  const heard = Promise.all(
    servicesOf(routes).map(
      (key) =>
        new Promise<void>((resolve) => {
          unsubscribes.push(
            registry.observe(key, (instances = []) => {
              tables.update(key, instances);
              resolve();
            }),
          );
        }),
    ),
  ).then(() => void (isReady = true));

  proxy.on('proxyReq', (outgoing: ClientRequest) => watchProgress(outgoing));
  proxy.on('proxyRes', (answer: IncomingMessage, request: IncomingMessage, response: ServerResponse) => {
    const exchange = exchanges.get(request);
    if (exchange === undefined) return;
    const { headers } = answer;
    // What the instance says of its connection to the gateway is nothing to the client.
    for (const name of ['keep-alive', 'proxy-connection', 'upgrade', 'te']) if (headers[name] !== undefined) delete headers[name];
    headers.connection = exchange.closes || draining ? 'close' : 'keep-alive';
    exchange.status = answer.statusCode ?? 0;
    if (onAccess !== undefined) answer.on('data', (chunk: Buffer) => void (exchange.bytes += chunk.length));
    // Before httpxy's own listener, which ends the answer.
    answer.once('end', () => {
      if (answer.rawTrailers.length > 0) response.addTrailers(answer.trailers as Record<string, string>);
    });
  });
  upgrades.on('error', (error, request, socket) => {
    const exchange = exchanges.get(request as object);
    if (exchange === undefined || exchange.status !== 0) return;
    const { status, message } = failure(exchange, error);
    refuseUpgrade(exchange, socket as Socket, status, message);
  });

  /** Ends what keeps silent for too long. */
  function watchProgress(outgoing: ClientRequest): void {
    let waiting: NodeJS.Timeout | undefined;
    let answered = false;
    outgoing.once('response', () => {
      answered = true;
      clearTimeout(waiting);
    });
    outgoing.once('close', () => clearTimeout(waiting));
    outgoing.once('finish', () => {
      if (answered) return;
      waiting = setTimeout(() => outgoing.destroy(new InstanceTimeoutError(`no answer within ${responseMs} ms`)), responseMs);
    });
    // While the answer is waited for, the limit above holds.
    outgoing.setTimeout(idleMs, () => {
      if (answered || !outgoing.writableFinished) outgoing.destroy(new InstanceTimeoutError(`no byte within ${idleMs} ms`));
    });
  }

  /** Makes the record of a request, and finds its target. */
  function take(request: AnyRequest): Exchange {
    toOriginForm(request);
    const client = clientOf(request, trusts);
    const view = requestView({ method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers, clientIp: client.ip });
    const exchange = new Exchange(request, view, client);
    exchanges.set(request, exchange);
    return exchange;
  }

  /** Decides where a request goes; undefined where no route takes it, or a text where its route leads nowhere. */
  function decide(exchange: Exchange): CompiledTarget | string | undefined {
    const { view, request, client } = exchange;
    const route = findRoute(routes, view.host, view.path);
    if (route === undefined) return undefined;
    if (route.problem !== undefined) return route.problem;
    const target = route.canaries.length === 0 ? route : targetOf(route, view, Math.random);
    exchange.target = target;
    const believed = client.trusted ? codec.readRaw(rawHeadersOf(request)) : undefined;
    const { rules } = tables;
    if (entry === 'hosts') {
      if (target.tag !== undefined) exchange.tag = { tag: target.tag, source: 'route' };
      else if (believed !== undefined) exchange.tag = { tag: believed, source: 'inbound' };
    } else {
      // The gateway's own rules; where it has none, those of the service behind, which then finds the request tagged.
      const entryRules = rules?.entryOf(service) ?? rules?.entryOf(target.key.name);
      const decided = decideRequestTag(believed, () => view, { rules, entry: entryRules, stamp: target.tag, random: Math.random });
      exchange.tag = decided.source === 'stamp' ? { tag: decided.tag, source: 'route' } : decided;
    }
    exchange.closes = removeHopByHop(request);
    tellClient(request, client);
    passTag(request, entry === 'rules' ? exchange.tag.tag : undefined, client.trusted);
    return target;
  }

  function choose(exchange: Exchange, target: CompiledTarget, tried: ReadonlySet<Instance>): Instance | undefined {
    const { tag } = exchange.tag;
    const decision = tables.route(target.key, tag);
    exchange.decision = decision;
    exchange.instance = undefined;
    if (decision === undefined || isStray(decision, exchange)) return undefined;
    let instance = pick(decision, Math.random);
    if (instance !== undefined && tried.has(instance)) instance = decision.instances.find((one) => !tried.has(one)) ?? instance;
    return (exchange.instance = instance);
  }

  /** A route to a lane is a Service that selects the lane's pods: it has no fallback. */
  function isStray({ reason }: Decision, { tag }: Exchange): boolean {
    return entry === 'hosts' && tag.source === 'route' && reason !== 'in-lane';
  }

  function unavailable(exchange: Exchange, { key }: CompiledTarget): string {
    const { tag } = exchange.tag;
    if (entry !== 'hosts' || exchange.tag.source !== 'route') return new LaneUnavailableError(key, tag).message;
    return `ELANE_UNAVAILABLE: the route of host ${exchange.view.host} leads to lane ${tag} of service ${key.name}, which has no healthy instance. Start one with LANE_TAG=${tag}, or point the route elsewhere: a route has no fallback (with --entry rules, the lane's fallback holds).`;
  }

  /** What a client is told of an instance that failed. */
  function failure(exchange: Exchange, error: unknown): { status: number; message: string } {
    const { message } = error as Error;
    const { target, instance } = exchange;
    const where = `${target?.key.name} at ${instance === undefined ? '?' : addressOf(instance)}`;
    log.warn(`${where} did not answer`, { error: message });
    const isTimeout = error instanceof InstanceTimeoutError || (error as NodeJS.ErrnoException).code === 'ELANE_CONNECT_TIMEOUT';
    return { status: isTimeout ? 504 : 502, message: `${where} did not answer: ${message}` };
  }

  async function handle(request: AnyRequest, response: AnyResponse): Promise<void> {
    const exchange = take(request);
    if (onAccess !== undefined) {
      response.once('close', () => {
        const left = !response.writableFinished && exchange.problem === undefined;
        if (left && exchange.status === 0) exchange.status = CLIENT_LEFT;
        if (left) exchange.problem = 'the client left';
        onAccess(exchange.entry());
      });
    }
    if (options.healthPath !== undefined && exchange.view.path === options.healthPath) {
      refuse(exchange, response, draining ? 503 : 200, draining ? 'draining' : 'ok');
      return;
    }
    const target = decide(exchange);
    if (target === undefined) refuse(exchange, response, 404, noRoute(routes, exchange));
    else if (typeof target === 'string') refuse(exchange, response, 503, target);
    else await send(exchange, response, target);
  }

  async function send(exchange: Exchange, response: AnyResponse, target: CompiledTarget): Promise<void> {
    const { request } = exchange;
    const tried = new Set<Instance>();
    for (;;) {
      const instance = choose(exchange, target, tried);
      if (instance === undefined) {
        refuse(exchange, response, 503, unavailable(exchange, target));
        return;
      }
      try {
        // Not a URL: httpxy 0.5.6 hands the brackets of its IPv6 host to DNS.
        await proxy.web(request as IncomingMessage, response as ServerResponse, { target: { host: instance.ip, port: instance.port } });
        return;
      } catch (error) {
        if (response.headersSent || response.destroyed) {
          exchange.problem ??= (error as Error).message;
          response.destroy();
          return;
        }
        tried.add(instance);
        if (error instanceof NotConnectedError && tried.size < MAX_TRIES && tried.size < (exchange.decision?.instances.length ?? 0)) {
          exchange.retries++;
          log.warn(`${target.key.name} at ${addressOf(instance)} did not answer, trying another instance`, { error: error.message });
          continue;
        }
        const { status, message } = failure(exchange, error);
        // httpxy may have had it flow to the instance, and nobody reads on: the client would never come to the end of its upload.
        request.resume();
        refuse(exchange, response, status, message);
        return;
      }
    }
  }

  function refuse(exchange: Exchange, response: AnyResponse, status: number, message: string): void {
    const body = `${message}\n`;
    exchange.status = status;
    if (status >= 400) exchange.problem ??= message;
    exchange.bytes = Buffer.byteLength(body);
    response.statusCode = status;
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.setHeader('content-length', exchange.bytes);
    if (draining && exchange.request.httpVersionMajor < 2) response.setHeader('connection', 'close');
    (response as ServerResponse).end(body);
  }

  function handleWebSocket(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Node leaves the socket without one.
    socket.on('error', () => socket.destroy());
    const exchange = take(request);
    const upgrade = request.headers.upgrade;
    tunnels.add(socket);
    socket.once('close', () => {
      tunnels.delete(socket);
      if (exchange.status === 0) exchange.status = CLIENT_LEFT;
      if (exchange.status === 101) exchange.bytes = socket.bytesWritten;
      onAccess?.(exchange.entry());
    });
    const target = decide(exchange);
    if (target === undefined) refuseUpgrade(exchange, socket, 404, noRoute(routes, exchange));
    else if (typeof target === 'string') refuseUpgrade(exchange, socket, 503, target);
    else {
      request.headers.connection = 'Upgrade';
      request.headers.upgrade = upgrade;
      connectUpgrade(exchange, socket, head, target, new Set());
    }
  }

  function connectUpgrade(exchange: Exchange, socket: Socket, head: Buffer, target: CompiledTarget, tried: Set<Instance>): void {
    const instance = choose(exchange, target, tried);
    if (instance === undefined) {
      refuseUpgrade(exchange, socket, 503, unavailable(exchange, target));
      return;
    }
    connectInstance({ host: instance.ip, port: instance.port }, connectMs, (error, connection) => {
      if (socket.destroyed) {
        connection?.destroy();
        return;
      }
      if (connection === undefined) {
        tried.add(instance);
        if (tried.size < MAX_TRIES && tried.size < (exchange.decision?.instances.length ?? 0)) {
          exchange.retries++;
          connectUpgrade(exchange, socket, head, target, tried);
          return;
        }
        const { status, message } = failure(exchange, error);
        refuseUpgrade(exchange, socket, status, message);
        return;
      }
      socket.once('close', () => connection.destroy());
      upgrades
        .ws(
          exchange.request as IncomingMessage,
          socket as never,
          { target: { host: instance.ip, port: instance.port }, agent: agentOf(connection) },
          head,
        )
        .catch(() => socket.destroy());
    });
  }
  upgrades.on('proxyReqWs', (outgoing: ClientRequest, request: IncomingMessage) => {
    const exchange = exchanges.get(request);
    const waiting = setTimeout(() => outgoing.destroy(new InstanceTimeoutError(`no answer within ${responseMs} ms`)), responseMs);
    outgoing.once('close', () => clearTimeout(waiting));
    for (const event of ['response', 'upgrade'] as const) {
      outgoing.prependOnceListener(event, (answer: IncomingMessage) => {
        clearTimeout(waiting);
        if (exchange !== undefined) exchange.status = answer.statusCode ?? 0;
      });
    }
  });

  const fail = (response: AnyResponse, error: unknown): void => {
    log.error('a request failed in the gateway', { error: String((error as Error).stack ?? error) });
    if (response.headersSent) response.destroy();
    else (response as ServerResponse).writeHead(500, { 'content-type': 'text/plain' }).end('the gateway failed; its log says why\n');
  };
  const listener = await startListener({
    port: options.port,
    host,
    certificate: options.certificate,
    headersTimeoutMs: headersMs,
    keepAliveTimeoutMs: keepAliveMs,
    onRequest: (request, response) => {
      // A connection that stays open would bring more requests, and hold up the end.
      if (request.httpVersionMajor < 2)
        response.once('finish', () => {
          if (closing !== undefined) request.socket.destroySoon();
        });
      handle(request, response).catch((error: unknown) => fail(response, error));
    },
    onWebSocket: (request, socket, head) => {
      try {
        handleWebSocket(request, socket, head);
      } catch (error) {
        log.error('a WebSocket failed in the gateway', { error: String((error as Error).stack ?? error) });
        socket.destroy();
      }
    },
  }).catch((error: unknown) => {
    for (const unsubscribe of unsubscribes) unsubscribe();
    throw error;
  });
  const { port } = listener;
  return {
    host,
    port,
    url: `http${options.certificate === undefined ? '' : 's'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ready: () => heard,
    get isDraining() {
      return draining;
    },
    get isReady() {
      return isReady;
    },
    setRules: (rules) => tables.setRules(rules),
    setCertificate: (certificate) => listener.setCertificate(certificate),
    startDraining: () => void (draining = true),
    close: (deadlineMs = CLOSE_DEADLINE_MS) => {
      draining = true;
      return (closing ??= listener.close(deadlineMs).then(() => {
        for (const unsubscribe of unsubscribes) unsubscribe();
        agent.destroy();
      }));
    },
  };
}

function noRoute(routes: RouteTable, { view }: Exchange): string {
  const known = [...new Set(routes.routes.map((one) => one.host))].join(', ');
  return `no route for host ${view.host || '(none)'} and path ${view.path}; hosts with routes: ${known}`;
}

/** Those of HTTP/2 have its pseudo headers in front, which do no harm. */
function rawHeadersOf(request: AnyRequest): string[] {
  return request.rawHeaders;
}

function refuseUpgrade(exchange: Exchange, socket: Socket, status: number, message: string): void {
  const body = `${message}\n`;
  exchange.status = status;
  exchange.problem = message;
  exchange.bytes = Buffer.byteLength(body);
  const head = ['Connection: close', 'Content-Type: text/plain; charset=utf-8', `Content-Length: ${exchange.bytes}`];
  socket.end(`HTTP/1.1 ${status} ${STATUS_TEXTS[status] ?? 'Error'}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  404: 'Not Found',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
