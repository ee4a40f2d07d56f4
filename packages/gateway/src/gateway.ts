/**
 * The entry gateway: sends requests by Host and path to a service behind the registry, in the lane that the route names
 * (mode `hosts`, as an Ingress does), or in the lane that the entry rules give (mode `rules`).
 *
 * httpxy does the proxying: the living successor of http-proxy in the unjs family, typed, without dependencies, streaming,
 * with upgrades. (http-proxy-3 2.x needs Node 22.)
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  compileTrust,
  createTagCodec,
  decideRequestTag,
  LaneUnavailableError,
  pick,
  removeTag,
  requestView,
  ServiceTables,
  SILENT_LOG,
  writeTag,
  type FormatName,
  type Instance,
  type LaneRules,
  type Log,
  type OutboundHeaders,
  type Registry,
  type RequestView,
  type Tag,
  type TagCodec,
  type Trust,
} from '@lane/core';
import { compileRoutes, findRoute, type CompiledRoute, type GatewayRoute } from './routes.js';

/** `hosts`: a route says which lane serves, and no tag is sent. `rules`: entry rules decide, and the tag is sent. */
export type EntryMode = 'hosts' | 'rules';

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
  /** Whose tags are believed: nobody's by default, since an entry faces the world; CIDRs of peers, or `all`. */
  readonly trust?: Trust;
  readonly formats?: readonly FormatName[];
  readonly log?: Log;
}

/** A running gateway. */
export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`. */
  readonly url: string;
  /** Resolves when the registry has told of every service that a route names. */
  ready(): Promise<void>;
  /** Puts other lane groups in force. */
  setRules(rules: LaneRules | undefined): void;
  /** Stops taking requests, lets those under way end, then resolves. */
  close(): Promise<void>;
}

/** The service name of the gateway in lane groups. */
export const GATEWAY_SERVICE = 'lane-gateway';

/** How often a request is tried on another instance, where nothing of it was sent. */
const MAX_TRIES = 3;
const NOTHING_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND']);

/** Starts a gateway. Rejects with code `ELANE_PORT_IN_USE` where the port is taken. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { registry, entry, host = '127.0.0.1', service = GATEWAY_SERVICE, log = SILENT_LOG } = options;
  const routes = compileRoutes(options.routes);
  const codec = createTagCodec(options.formats === undefined ? {} : { formats: options.formats });
  const tables = new ServiceTables();
  const trusts = compileTrust(options.trust ?? 'none');
  // ES module only; a CommonJS package gets it this way on every Node.
  const { createProxyServer } = await import('httpxy');
  const sockets = new http.Agent({ keepAlive: true });
  const proxy = createProxyServer({ agent: sockets, xfwd: true });
  tables.setRules(options.rules);

  const keys = new Map(routes.map(({ key }) => [`${key.group}@@${key.name}`, key]));
  const unsubscribes: Array<() => void> = [];
  const heard = [...keys.values()].map(
    (key) =>
      new Promise<void>((resolve) => {
        unsubscribes.push(
          registry.subscribe(key, (instances) => {
            tables.update(key, instances);
            resolve();
          }),
        );
      }),
  );

  /** The lane of a request. */
  function tagOf(request: IncomingMessage, route: CompiledRoute, view: RequestView): Tag | undefined {
    const believed = trusts(request.socket.remoteAddress) ? codec.readRaw(request.rawHeaders) : undefined;
    if (entry === 'hosts') return route.tag ?? believed;
    const { rules } = tables;
    // The gateway's own rules; where it has none, those of the service behind, which then finds the request tagged.
    const entryRules = rules?.entryOf(service) ?? rules?.entryOf(route.key.name);
    return decideRequestTag(believed, () => view, { rules, entry: entryRules, stamp: undefined, random: Math.random }).tag;
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const view = viewOf(request);
    const route = findRoute(routes, view.host, view.path);
    if (route === undefined) {
      const known = [...new Set(routes.map((one) => one.host))].join(', ');
      refuse(response, 404, `no route for host ${view.host || '(none)'} and path ${view.path}; hosts with routes: ${known}`);
      return;
    }
    const tag = tagOf(request, route, view);
    passOnTag(request, codec, entry === 'rules' ? tag : undefined, trusts(request.socket.remoteAddress));
    await send(request, response, route, tag, MAX_TRIES, new Set());
  }

  async function send(
    request: IncomingMessage,
    response: ServerResponse,
    route: CompiledRoute,
    tag: Tag | undefined,
    tries: number,
    tried: Set<Instance>,
  ): Promise<void> {
    const instance = choose(route, tag, tried);
    if (instance === undefined) {
      refuse(response, 503, new LaneUnavailableError(route.key, tag).message);
      return;
    }
    try {
      await proxy.web(request, response, { target: targetOf(instance) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      log.warn(`${route.key.name} at ${instance.ip}:${instance.port} did not answer`, { error: message });
      tried.add(instance);
      if (tries > 1 && NOTHING_SENT.has(code ?? '') && !hasBody(request)) {
        await send(request, response, route, tag, tries - 1, tried);
        return;
      }
      // httpxy had it flow to the instance, and nobody reads on: the client would never come to the end of its upload.
      request.resume();
      refuse(response, 502, `${route.key.name} at ${instance.ip}:${instance.port} did not answer: ${message}`);
    }
  }

  function choose(route: CompiledRoute, tag: Tag | undefined, tried: Set<Instance>): Instance | undefined {
    const decision = tables.route(route.key, tag);
    if (decision === undefined) return undefined;
    // A route to a lane is a Service that selects the lane's pods: it has no fallback.
    if (entry === 'hosts' && tag !== undefined && decision.reason !== 'in-lane') return undefined;
    let instance = pick(decision, Math.random);
    if (instance !== undefined && tried.has(instance)) instance = decision.instances.find((one) => !tried.has(one)) ?? instance;
    return instance;
  }

  let closing: Promise<void> | undefined;
  const server = http.createServer((request, response) => {
    // A connection that stays open would bring more requests, and hold up the end.
    response.once('finish', () => {
      if (closing !== undefined) request.socket.destroySoon();
    });
    handle(request, response).catch((error: unknown) => {
      log.error('a request failed in the gateway', { error: String((error as Error).stack ?? error) });
      if (!response.headersSent) refuse(response, 500, 'the gateway failed; its log says why');
      else response.destroy();
    });
  });
  server.on('upgrade', (request, socket, head) => {
    // Node leaves the socket without one.
    socket.on('error', () => socket.destroy());
    const view = viewOf(request);
    const route = findRoute(routes, view.host, view.path);
    const tag = route === undefined ? undefined : tagOf(request, route, view);
    const instance = route === undefined ? undefined : choose(route, tag, new Set());
    if (instance === undefined) {
      socket.end(`HTTP/1.1 ${route === undefined ? '404 Not Found' : '503 Service Unavailable'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    passOnTag(request, codec, entry === 'rules' ? tag : undefined, trusts(request.socket.remoteAddress));
    proxy.ws(request, socket as never, { target: targetOf(instance) }, head).catch(() => socket.destroy());
  });

  try {
    await listen(server, options.port, host);
  } catch (error) {
    for (const unsubscribe of unsubscribes) unsubscribe();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  return {
    host,
    port,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ready: () => Promise.all(heard).then(() => {}),
    setRules: (rules) => tables.setRules(rules),
    close: () =>
      (closing ??= new Promise((resolve) => {
        for (const unsubscribe of unsubscribes) unsubscribe();
        server.close(() => {
          sockets.destroy();
          resolve();
        });
        server.closeIdleConnections();
      })),
  };
}

/** Not a URL: httpxy 0.5.6 hands the brackets of its IPv6 host to DNS. */
function targetOf({ ip, port }: Instance): { host: string; port: number } {
  return { host: ip, port };
}

function viewOf(request: IncomingMessage): RequestView {
  return requestView({ method: request.method ?? 'GET', url: request.url ?? '/', headers: request.headers, clientIp: request.socket.remoteAddress });
}

/** Lane headers of clients are taken away unless the client is trusted; ours are put in their place. Other baggage stays. */
function passOnTag({ headers }: IncomingMessage, codec: TagCodec, tag: Tag | undefined, trusted: boolean): void {
  if (tag === undefined && trusted) return;
  const outbound: OutboundHeaders = {
    get: (name) => headers[name],
    set: (name, value) => void (headers[name] = value),
    remove: (name) => void delete headers[name],
  };
  removeTag(codec, outbound);
  if (tag !== undefined) writeTag(tag, codec, outbound);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0');
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const body = `${message}\n`;
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function listen(server: http.Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw Object.assign(new Error(`port ${port} of ${host} is in use: stop what listens there, or choose another port (0 takes a free one)`), {
      code: 'ELANE_PORT_IN_USE',
    });
  }
}
