/**
 * Serves what `lane gateway export envoy` would write to Envoys, as it changes: xDS over REST, state of the world
 * (https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol). A request is held until there is something new to say, and answered
 * with 304 after 20 s. REST and not gRPC, because Envoy then reads the same JSON that the export writes, without protobuf messages or a
 * library for them.
 */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { BodyReader, onOneLine, SILENT_LOG, type Log } from '@lane/core/model';
import { InTurn } from '../listen/in-turn.js';
import { listen } from '../listen/listener.js';
import { EnvoyMemory } from './envoy-memory.js';
import { type EnvoyState, type Answer, type Ask, type KnownResources, type ResourceKind } from './envoy-state.js';
import { ROUTES_NAME, XDS_CLUSTER, type Resource, type XdsResources } from './resources.js';

/** Options of {@link startXdsServer}. */
export interface XdsServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly log?: Log;
  /** Memory for all Envoys. Default 128 MiB: twice what a thousand with two hundred clusters each take. */
  readonly maxRememberedBytes?: number;
}

/** A server for Envoys. */
export interface XdsServer {
  readonly host: string;
  readonly port: number;
  /** Serves these resources from now on. Before the first, requests wait. */
  serve(resources: XdsResources): void;
  /** Ends waiting requests, and resolves when the port is free. Envoys keep what they have. */
  close(): Promise<void>;
}

/** Below the `request_timeout` of the bootstrap. */
const HOLD_MS = 20_000;
/** Each request contains the list of the Envoy's extensions, some 60 KB. */
const MAX_BODY_BYTES = 1_048_576;
/** For all requests being read: a thousand Envoys that start at once. */
const MAX_READ_BYTES = 64 * MAX_BODY_BYTES;
const MAX_CONNECTIONS = 10_000;
/** How many removed clusters are remembered for Envoys that still have them. */
const MAX_KNOWN = 10_000;
const KINDS: readonly ResourceKind[] = ['clusters', 'endpoints', 'routes'];

/** Starts it. Rejects with code `ELANE_PORT_IN_USE` if the port is taken. */
export async function startXdsServer({
  port,
  host = '127.0.0.1',
  log = SILENT_LOG,
  maxRememberedBytes = 128 * 1_048_576,
}: XdsServerOptions): Promise<XdsServer> {
  const controller = new Controller(log, maxRememberedBytes);
  // An Envoy sends one request at a time on a connection. A client that pipelines many gets no more than its turn.
  const turns = new InTurn();
  const bodies = new BodyReader({ ofOne: MAX_BODY_BYTES, ofAll: MAX_READ_BYTES });
  const server = http.createServer((request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    turns.serve(request, response, () => {
      void receive(request, response, controller, bodies).catch((error: unknown) => {
        log.error('a request from an Envoy failed', { error: (error as Error).stack ?? String(error) });
        response.destroy();
      });
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  // Longer than Envoys stay silent on a connection, so that none is closed as it is used.
  server.keepAliveTimeout = 65_000;
  server.on('clientError', (_error, socket) => socket.destroy());
  await listen(server, port, host);
  let closing: Promise<void> | undefined;
  return {
    host,
    port: (server.address() as AddressInfo).port,
    serve: (resources) => controller.serve(resources),
    close: () => (closing ??= close(server, controller)),
  };
}

async function close(server: http.Server, controller: Controller): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  controller.close();
  server.closeIdleConnections();
  await closed;
}

/** An unanswered request. */
interface Held {
  readonly state: EnvoyState;
  readonly node: string;
  readonly ask: Ask;
  readonly response: ServerResponse;
  readonly end: NodeJS.Timeout;
  retry: NodeJS.Timeout | undefined;
}

/** Waiting requests, and the resources to serve. */
class Controller {
  readonly #envoys: EnvoyMemory;
  readonly #held = new Set<Held>();
  /** Envoys that have sent something since their requests were last checked. */
  readonly #heard = new Set<EnvoyState>();
  readonly #known = { clusters: new Map<string, Resource>(), endpoints: new Map<string, Resource>() } satisfies KnownResources;
  #resources: XdsResources | undefined;
  #isClosed = false;

  constructor(
    private readonly log: Log,
    maxRememberedBytes: number,
  ) {
    this.#envoys = new EnvoyMemory(maxRememberedBytes, (state) => this.#sendAway(state));
  }

  serve(resources: XdsResources): void {
    this.#resources = resources;
    for (const kind of ['clusters', 'endpoints'] as const) {
      const known = this.#known[kind];
      for (const [name, resource] of resources[kind]) {
        known.delete(name);
        known.set(name, resource);
      }
      for (const name of known.keys()) {
        if (known.size <= MAX_KNOWN) break;
        known.delete(name);
      }
    }
    for (const held of this.#held) this.#try(held);
  }

  /** Holds a request until it can be answered. */
  take(node: string, address: string, ask: Ask, response: ServerResponse): void {
    if (this.#isClosed) {
      dismiss(response);
      return;
    }
    const state = this.#envoys.stateOf(node, address, Date.now());
    state.hear(ask);
    const held: Held = { state, node, ask, response, end: setTimeout(() => this.#end(held), HOLD_MS), retry: undefined };
    this.#held.add(held);
    response.on('close', () => this.#release(held));
    // This one may unblock the Envoy's other requests. However many arrive together, they are checked once.
    if (this.#heard.size === 0) setImmediate(() => this.#lookAgain());
    this.#heard.add(state);
    this.#envoys.weigh(state);
  }

  /** Its state is no longer known: it sends its request again, and thereby introduces itself. */
  #sendAway(state: EnvoyState): void {
    for (const held of this.#held) if (held.state === state) this.#end(held);
  }

  #lookAgain(): void {
    const heard = new Set(this.#heard);
    this.#heard.clear();
    for (const held of this.#held) if (heard.has(held.state)) this.#try(held);
  }

  #try(held: Held): void {
    if (this.#resources === undefined || !this.#held.has(held)) return;
    const { state, ask, response, node } = held;
    const { answer, waitMs, problem } = state.next(ask, this.#resources, this.#known, Date.now());
    if (problem !== undefined) this.log.warn(`Envoy ${JSON.stringify(node)}: ${onOneLine(problem)}`);
    if (answer !== undefined) {
      this.#release(held);
      response.once('finish', () => state.tell(ask, answer, Date.now()));
      send(response, ask.kind, answer);
    } else if (waitMs !== undefined) {
      clearTimeout(held.retry);
      held.retry = setTimeout(() => this.#try(held), waitMs);
    }
    this.#envoys.weigh(state);
  }

  #end(held: Held): void {
    this.#release(held);
    held.response.writeHead(304).end();
  }

  #release(held: Held): void {
    this.#held.delete(held);
    clearTimeout(held.end);
    clearTimeout(held.retry);
  }

  close(): void {
    this.#isClosed = true;
    for (const held of this.#held) {
      this.#release(held);
      dismiss(held.response);
    }
  }
}

const TYPES: Readonly<Record<ResourceKind, string>> = {
  clusters: 'cluster.v3.Cluster',
  endpoints: 'endpoint.v3.ClusterLoadAssignment',
  routes: 'route.v3.RouteConfiguration',
};

function send(response: ServerResponse, kind: ResourceKind, { version, resources }: Answer): void {
  const body = JSON.stringify({ version_info: version, type_url: `type.googleapis.com/envoy.config.${TYPES[kind]}`, resources });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function dismiss(response: ServerResponse): void {
  response.writeHead(503, { connection: 'close' }).end();
}

async function receive(request: IncomingMessage, response: ServerResponse, controller: Controller, bodies: BodyReader): Promise<void> {
  const refuse = (status: number, message: string): void => {
    response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${message}\n`);
  };
  const refusal = refusalOf(request);
  if (refusal !== undefined) {
    refuse(403, refusal);
    return;
  }
  const kind = KINDS.find((one) => request.url === `/v3/discovery:${one}`);
  if (kind === undefined) refuse(404, `there is ${KINDS.map((one) => `/v3/discovery:${one}`).join(', ')}`);
  else if (request.method !== 'POST') refuse(405, 'only POST, as Envoy does');
  else if (request.headers['content-type']?.split(';')[0]?.trim() !== 'application/json') refuse(415, 'only application/json');
  else {
    const body = await bodies.read(request);
    if (body === undefined) refuse(413, `a request must have at most ${MAX_BODY_BYTES} bytes`);
    else {
      const asked = parse(kind, body);
      if (typeof asked === 'string') refuse(400, asked);
      else controller.take(asked.node, request.socket.remoteAddress ?? '', asked.ask, response);
    }
  }
}

/**
 * Keeps web pages out: a browser lets any page send requests to this machine, and a page may make its own name resolve here (DNS rebinding).
 * An Envoy uses the cluster's name as its controller's host.
 */
function refusalOf({ headers: { host = '', origin, 'sec-fetch-site': site } }: IncomingMessage): string | undefined {
  if (origin !== undefined || site !== undefined) return 'not for web pages';
  const name = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::\d+)?$/.exec(host);
  const called = name?.[1] ?? name?.[2] ?? '';
  return called === XDS_CLUSTER || called === 'localhost' || isIP(called) !== 0
    ? undefined
    : `Host must be ${XDS_CLUSTER}, as Envoy calls its controller, an address, or localhost`;
}

/** Names are stored, so their length is limited to what anybody would call an Envoy or a cluster. */
const MAX_NAME = 1_000;

/** Parses a DiscoveryRequest in protobuf's JSON, whose fields have two spellings; a string: why it is invalid. */
function parse(kind: ResourceKind, body: string): { readonly node: string; readonly ask: Ask } | string {
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(body) as Record<string, unknown>;
  } catch (error) {
    return `the request is not JSON: ${(error as Error).message}`;
  }
  if (typeof given !== 'object' || given === null) return 'the request is not an object';
  const version = given['version_info'] ?? given['versionInfo'] ?? '';
  const names = given['resource_names'] ?? given['resourceNames'] ?? [];
  const node = (given['node'] as { id?: unknown } | undefined)?.id ?? '';
  const problem = ((given['error_detail'] ?? given['errorDetail']) as { message?: unknown } | undefined)?.message;
  if (typeof version !== 'string' || typeof node !== 'string' || version.length > MAX_NAME || node.length > MAX_NAME)
    return 'version_info and node.id must be strings';
  const name: unknown = Array.isArray(names) ? names[0] : undefined;
  if (kind === 'endpoints' && (typeof name !== 'string' || name.length > MAX_NAME)) return 'resource_names must name a cluster';
  const ask = {
    kind,
    name: kind === 'endpoints' ? (name as string) : kind === 'routes' ? ROUTES_NAME : '',
    version,
    problem: typeof problem === 'string' ? problem.slice(0, MAX_NAME) : undefined,
  };
  return { node, ask };
}
