/**
 * The entry gateway: sends requests by Host and path to a service behind the registry, in the lane that the route names
 * (mode `hosts`, as an Ingress does), or in the lane that the entry rules give (mode `rules`).
 *
 * This file wires it together: `listen/` faces the clients, `decide/` finds route, tag and instance, `forward/` forwards requests,
 * `upgrade/` tunnels WebSockets.
 */
import type { Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { compileTrust, type LaneRules, type Trust } from '@lane/core/rules';
import {
  createTagCodec,
  DEFAULT_FORMATS,
  DEFAULT_OUTLIER_POLICY,
  DoubtLog,
  isServerError,
  OutlierLog,
  ServiceTables,
  SILENT_LOG,
  SYSTEM_CLOCK,
  type Clock,
  type FormatName,
  type Log,
  type NearPolicy,
  type OutlierPolicy,
  type Place,
  type Registry,
  messageOf,
} from '@lane/core/model';
import type { AccessEntry } from './access-log.js';
import { Decider } from './decide/decide.js';
import { compileRoutes, servicesOf, type GatewayRoute, type RouteTable } from './decide/routes.js';
import type { Exchange } from './exchange.js';
import { forward, refuse } from './forward/forward.js';
import { InstanceAgent, InstanceLoad, type OutcomeListener } from './forward/instance-connection.js';
import { createRequestHeads } from './forward/request-head.js';
import { isHttp2, MAX_HEADERS, type Refusal } from './forward/request-framing.js';
import { ConnectionLimit } from './listen/limits.js';
import { startListener, type AnyRequest, type AnyResponse, type Certificate, type Listener } from './listen/listener.js';
import { refuseUpgrade, upgrade, type UpgradeOptions } from './upgrade/upgrade.js';

/** `hosts`: a route says which lane serves, and no tag is sent. `rules`: entry rules decide, and the tag is sent. */
export type EntryMode = 'hosts' | 'rules';

/** Time limits in milliseconds. */
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

/** Limits on load. */
export interface GatewayLimits {
  /**
   * Connections that one address may have open, each request of HTTP/2 counting as one more; peers in `trust`, such as load balancers, are not counted.
   * Default 1,000.
   */
  readonly connectionsPerClient?: number;
  /** Requests in flight to one instance, each on its own connection; further ones go to another instance, or get 503. Default 1,024. */
  readonly requestsPerInstance?: number;
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
  /** The lane groups in force; undefined if none are known. */
  readonly rules?: LaneRules | undefined;
  /** The gateway's name as entry in lane groups. Default `lane-gateway`. */
  readonly service?: string;
  /** Whose tags and `X-Forwarded-*` are trusted: nobody's by default, because an entry faces the world; CIDRs of peers, or `all`. */
  readonly trust?: Trust;
  /** Formats written, and read from trusted peers. Untrusted ones' tags are removed in every known format. */
  readonly formats?: readonly FormatName[];
  readonly baggageKey?: string;
  /** How long instances that the registry drops in bulk stay in use, in milliseconds; 0: not at all. Default: the registry's. */
  readonly registryHoldMs?: number | undefined;
  /** When instances that fail, while others of their lane don't, are ejected. Default: like the agent. */
  readonly outlier?: OutlierPolicy | undefined;
  /** When instances near {@link place} come first, within a lane. Default: never. */
  readonly near?: NearPolicy | undefined;
  /** Where the gateway is. */
  readonly place?: Place | undefined;
  /** With a certificate: TLS with HTTP/2 and HTTP/1.1. Without: HTTP/1.1, and HTTP/2 by prior knowledge. */
  readonly certificate?: Certificate;
  readonly timeouts?: GatewayTimeouts;
  readonly limits?: GatewayLimits;
  /** A path that answers 200 while requests are welcome, and 503 from {@link Gateway.startDraining} on. Default: none. */
  readonly healthPath?: string;
  /** Called with each finished request. */
  readonly onAccess?: (entry: AccessEntry) => void;
  readonly log?: Log;
  /** The clock for doubts and the memory of instances; for tests. */
  readonly clock?: Clock;
}

/** A running gateway. */
export interface Gateway {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, or `https:`. */
  readonly url: string;
  /** Resolves when the registry has answered for every service that a route names. */
  ready(): Promise<void>;
  /** Whether requests are welcome. */
  readonly isDraining: boolean;
  /** Whether the registry has answered for every service. */
  readonly isReady: boolean;
  /** Applies other lane groups. */
  setRules(rules: LaneRules | undefined): void;
  /** Applies another certificate, for new connections. Throws if it is invalid. */
  setCertificate(certificate: Certificate): void;
  /** Tells health checks and clients on open connections to go elsewhere, and serves them meanwhile. */
  startDraining(): void;
  /** Stops accepting requests, lets those in flight end, WebSockets too, by force after `deadlineMs` (default 10 s); then resolves. */
  close(deadlineMs?: number): Promise<void>;
}

/** The service name of the gateway in lane groups. */
export const GATEWAY_SERVICE = 'lane-gateway';

const CLOSE_DEADLINE_MS = 10_000;
const CLIENT_LEFT = 499;
/** Above the other limits, which give the client a better error. */
const IDLE_MARGIN_MS = 5_000;
/** How many hosts without a route are logged: clients can make up any number. */
const MAX_HOSTS_TOLD = 100;

/** Starts a gateway. Rejects with code `ELANE_PORT_IN_USE` if the port is taken. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const parts = new Parts(options);
  const { host = '127.0.0.1', certificate } = options;
  const { headersMs = 30_000, keepAliveMs = 65_000 } = options.timeouts ?? {};
  const listener = await startListener({
    port: options.port,
    host,
    certificate,
    headersTimeoutMs: headersMs,
    keepAliveTimeoutMs: keepAliveMs,
    idleTimeoutMs: parts.idleTimeoutMs,
    connections: parts.connections,
    maxHeaders: MAX_HEADERS,
    onRequest: (request, response) => parts.onRequest(request, response),
    onUpgrade: (request, socket, head) => parts.onUpgrade(request, socket, head),
  }).catch((error: unknown) => {
    parts.close();
    throw error;
  });
  return new RunningGateway(parts, listener, host, certificate !== undefined);
}

class RunningGateway implements Gateway {
  readonly port: number;
  readonly url: string;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly listener: Listener,
    readonly host: string,
    isEncrypted: boolean,
  ) {
    this.port = listener.port;
    this.url = `http${isEncrypted ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  ready(): Promise<void> {
    return this.parts.heard;
  }

  get isDraining(): boolean {
    return this.parts.isDraining;
  }

  get isReady(): boolean {
    return this.parts.isReady;
  }

  setRules(rules: LaneRules | undefined): void {
    this.parts.tables.setRules(rules);
  }

  setCertificate(certificate: Certificate): void {
    this.listener.setCertificate(certificate);
  }

  startDraining(): void {
    this.parts.isDraining = true;
  }

  close(deadlineMs = CLOSE_DEADLINE_MS): Promise<void> {
    this.parts.isDraining = true;
    this.parts.isClosing = true;
    return (this.#closing ??= this.listener.close(deadlineMs).then(() => this.parts.close()));
  }
}

/** The parts of a gateway, and how it handles each request. */
class Parts {
  readonly tables: ServiceTables;
  readonly heard: Promise<void>;
  readonly connections: ConnectionLimit;
  readonly idleTimeoutMs: number;
  isReady = false;
  isDraining = false;
  isClosing = false;
  readonly #options: GatewayOptions;
  readonly #log: Log;
  readonly #routes: RouteTable;
  readonly #decider: Decider;
  readonly #agent: InstanceAgent;
  readonly #forwarding: UpgradeOptions;
  readonly #unsubscribes: Array<() => void> = [];
  readonly #hostsTold = new Set<string>();

  constructor(options: GatewayOptions) {
    const { entry, service = GATEWAY_SERVICE, log = SILENT_LOG, limits = {}, formats, baggageKey, clock = SYSTEM_CLOCK } = options;
    const { connectMs = 3_000, responseMs = 60_000, idleMs = 300_000 } = options.timeouts ?? {};
    this.#options = options;
    this.#log = log;
    const routes = (this.#routes = compileRoutes(options.routes));
    const { registry, registryHoldMs } = options;
    const holdMs = (): number => registryHoldMs ?? registry.holdMs ?? 0;
    const doubts = new DoubtLog(log, holdMs, clock);
    const outliers = new OutlierLog(log, clock);
    const tables = (this.tables = new ServiceTables({
      formats: formats ?? DEFAULT_FORMATS,
      holdMs,
      outlier: options.outlier ?? DEFAULT_OUTLIER_POLICY,
      near: options.near,
      place: options.place,
      clock,
      onDoubt: (doubted) => doubts.note(doubted),
      onEjection: (ejection) => outliers.note(ejection),
      onError: (error) => log.error('a list of instances could not be processed', { error: messageOf(error) }),
    }));
    const unwatch = registry.watchTrouble?.((isReachable) => tables.trouble(isReachable));
    if (unwatch !== undefined) this.#unsubscribes.push(unwatch);
    tables.setRules(options.rules);
    const codec = createTagCodec({
      ...(formats === undefined ? {} : { formats }),
      ...(baggageKey === undefined ? {} : { baggageKey }),
      rules: () => tables.rules,
      service: () => service,
      onNotice: (message) => log.warn(message),
    });
    const trusts = compileTrust(options.trust ?? 'none');
    this.connections = new ConnectionLimit(limits.connectionsPerClient ?? 1_000, trusts, log);
    this.idleTimeoutMs = Math.max(idleMs, responseMs) + connectMs + IDLE_MARGIN_MS;
    this.#decider = new Decider({ routes, tables, codec, entry, service, trusts });
    const heard: OutcomeListener = ({ host, port }, isConnected) => {
      const key = tables.findByAddress(host, port)?.table.key;
      if (key === undefined) return;
      if (isConnected) tables.answered(key, host, port);
      else tables.refused(key, host, port);
    };
    this.#agent = new InstanceAgent({ connectTimeoutMs: connectMs, heard, log, clock });
    this.#forwarding = {
      decider: this.#decider,
      heads: createRequestHeads(codec, { formats, baggageKey }),
      agent: this.#agent,
      load: new InstanceLoad(limits.requestsPerInstance ?? 1_024),
      connectMs,
      heard,
      answered: ({ ip, port }, status) => {
        if (!isServerError(status) && !tables.hasSuspects) return;
        const key = tables.findByAddress(ip, port)?.table.key;
        if (key !== undefined) tables.responded(key, ip, port, status);
      },
      responseMs,
      idleMs,
      log,
      isDraining: () => this.isDraining,
      laneOf: ({ tag }) => (entry === 'rules' && tag.tag !== undefined ? tag : undefined),
    };
    this.heard = Promise.all(servicesOf(routes).map((key) => this.#subscribe(key))).then(() => void (this.isReady = true));
  }

  #subscribe(key: Parameters<Registry['observe']>[0]): Promise<void> {
    return new Promise((resolve) => {
      const unsubscribe = this.#options.registry.observe(key, (instances = []) => {
        this.tables.push(key, instances, 'registry', () => resolve());
      });
      this.#unsubscribes.push(unsubscribe);
    });
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
    this.tables.close();
    this.#agent.destroy();
  }

  onRequest(request: AnyRequest, response: AnyResponse): void {
    // Node throws unhandled errors.
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      // An open connection would bring more requests, and delay the end.
      if (!isHttp2(request)) {
        const { socket } = request;
        response.once('finish', () => {
          if (this.isClosing) socket.destroySoon();
        });
      }
      this.#handle(request, response);
    } catch (error) {
      this.#log.error('a request failed in the gateway', { error: (error as Error).stack ?? String(error) });
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-type': 'text/plain' }).end('the gateway failed; its log says why\n');
    }
  }

  #handle(request: AnyRequest, response: AnyResponse): void {
    const { healthPath, onAccess } = this.#options;
    const exchange = this.#decider.take(request);
    if (onAccess !== undefined) {
      response.once('close', () => {
        // Over HTTP/2, Node emits `finish` for reset streams, too.
        const isWhole = isHttp2(request) ? response.writableEnded : response.writableFinished;
        const left = !isWhole && exchange.problem === undefined;
        if (left && exchange.status === 0) exchange.status = CLIENT_LEFT;
        if (left) exchange.problem = 'the client left';
        onAccess(exchange.entry());
      });
    }
    const { refusal } = exchange.head;
    if (refusal !== undefined) {
      // Close the connection: if the end of a request is in doubt, so is everything after it.
      refuse(exchange, response, refusal, true);
      return;
    }
    if (healthPath !== undefined && exchange.view.path === healthPath) {
      refuse(exchange, response, this.isDraining ? { status: 503, message: 'draining' } : { status: 200, message: 'ok' }, this.isDraining);
      return;
    }
    if (isHttp2(request) && !this.connections.enterStream(exchange.client, response as Http2ServerResponse)) {
      refuse(exchange, response, { status: 429, message: 'too many requests in flight: try again later' }, this.isDraining);
      return;
    }
    const target = this.#decide(exchange);
    if ('status' in target) refuse(exchange, response, target, this.isDraining);
    else forward(this.#forwarding, exchange, response, target);
  }

  onUpgrade(request: Parameters<typeof isHttp2>[0], socket: Socket, head: Buffer): void {
    try {
      this.#handleUpgrade(request, socket, head);
    } catch (error) {
      this.#log.error('an upgrade failed in the gateway', { error: (error as Error).stack ?? String(error) });
      socket.destroy();
    }
  }

  #handleUpgrade(request: AnyRequest, socket: Socket, head: Buffer): void {
    const exchange = this.#decider.take(request);
    // A WebSocket may be silent for any time.
    request.socket.setTimeout(0);
    socket.once('close', () => {
      if (exchange.status === 0) exchange.status = CLIENT_LEFT;
      if (exchange.status === 101) exchange.bytes = socket.bytesWritten;
      this.#options.onAccess?.(exchange.entry());
    });
    const refusal = upgradeRefusal(exchange);
    const target = refusal ?? this.#decide(exchange);
    if ('status' in target) refuseUpgrade(exchange, socket, target);
    else upgrade(this.#forwarding, exchange, socket, head, target);
  }

  #decide(exchange: Exchange): ReturnType<Decider['decide']> {
    const target = this.#decider.decide(exchange);
    if ('status' in target && target.status === 404) this.#tellRoutes(exchange);
    return target;
  }

  /** The log names the hosts with routes; clients do not learn them. */
  #tellRoutes({ view: { host } }: Exchange): void {
    if (this.#hostsTold.has(host) || this.#hostsTold.size >= MAX_HOSTS_TOLD) return;
    this.#hostsTold.add(host);
    const known = [...new Set(this.#routes.routes.map((one) => one.host))].join(', ');
    this.#log.info(`no route for host ${JSON.stringify(host)}`, { hosts: known });
  }
}

function upgradeRefusal({ head, request }: Exchange): Refusal | undefined {
  if (request.method === 'CONNECT') return { status: 405, message: 'CONNECT is for forward proxies' };
  if (head.refusal !== undefined) return head.refusal;
  if (head.body !== 'none') return { status: 400, message: 'a handshake must not have a body' };
  return undefined;
}
