/**
 * node:http and node:https clients, and all that is built on them.
 *
 * `ClientRequest.prototype._storeHeader` is where headers are final, in whatever form they were given; an app that sets
 * `baggage` itself, before or after us, is merged with. `http.Agent.prototype.addRequest` is where the destination can
 * still be changed: later, the pool has been asked for the wrong address. The lane is taken when the request is made: one
 * that is ended in another lane keeps it.
 * Both are underscore or undocumented methods, there since Node 0.x: where one is missing, that half is left out and said.
 * Not reached: the destination of requests with `createConnection` and no agent, which never ask an agent.
 */
import http from 'node:http';
import {
  currentContext,
  hasEnteredLane,
  LaneUnavailableError,
  writeLane,
  type HeaderLines,
  type LaneContext,
  type OutboundHeaders,
} from '@lane/core';
import type { Destination, Redirected } from '../destination.js';
import { ArrayHeaders } from '../outbound.js';
import type { Runtime } from '../runtime.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

const LANE = Symbol('lane.context');

/** null: made outside any lane, and so it stays. */
type Request = http.ClientRequest & { [LANE]?: LaneContext | null; onSocket(socket: unknown, error?: Error): void };
type RequestOptions = { host?: string; port?: number | string; socketPath?: string; servername?: string };

export function install(runtime: Runtime): void {
  const chooses = wrap(http.Agent.prototype, 'addRequest', (original) => addRequestToRightInstance(original as never, runtime));
  const writes = wrap(http.ClientRequest.prototype, '_storeHeader', (original) => storeHeaderWithLane(original as never, runtime));
  wrap(http.ClientRequest.prototype, 'onSocket', (original) => {
    return function onSocket(this: Request, ...args: never[]): unknown {
      // Without an agent this is the first that we see of the request, still in the lane that made it.
      if (this[LANE] === undefined) rememberLane(this);
      return Reflect.apply(original, this, args);
    };
  });
  for (const [name, undo] of [
    ['Agent.addRequest', chooses],
    ['ClientRequest._storeHeader', writes],
  ] as const) {
    if (undo === undefined)
      runtime.log.warn(
        `node:http of ${process.version} has no ${name} to patch: calls ${name === 'Agent.addRequest' ? 'are not routed' : 'carry no tag'} there`,
      );
  }
}

function rememberLane(request: Request): void {
  const context = currentContext();
  if (context !== undefined) request[LANE] = context;
  else if (hasEnteredLane()) request[LANE] = null;
}

/** Two more parameters, port and local address, are from Node 0.10; who passes them still gets them through. */
type AddRequest = (this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown) => void;

function addRequestToRightInstance(original: AddRequest, runtime: Runtime): AddRequest {
  const { destinations } = runtime;
  const choose = safely('http-client destination', (request: Request, options: RequestOptions, retry: boolean): Destination =>
    destinations.choose(options.host as string, Number(options.port), request[LANE]?.tag, retry),
  );
  const readdress = safely('http-client address', addressed);

  function proceed(
    agent: http.Agent,
    request: Request,
    options: RequestOptions,
    port: unknown,
    localAddress: unknown,
    destination: Exclude<Destination, Promise<void>>,
  ): void {
    if (destination instanceof LaneUnavailableError) {
      request.onSocket(null, destination);
      return;
    }
    const changed = destination === undefined ? undefined : readdress(request, options, destination);
    original.call(agent, request, changed ?? options, port, localAddress);
  }

  // On the request path, change with care: without a lane and without a known service this is two reads.
  return function addRequest(this: http.Agent, request: Request, options: RequestOptions, port?: unknown, localAddress?: unknown): void {
    rememberLane(request);
    if (destinations.isEmpty || typeof options !== 'object' || options === null || typeof options.host !== 'string' || options.socketPath) {
      original.call(this, request, options, port, localAddress);
      return;
    }
    const destination = choose(request, options, false);
    if (destination instanceof Promise) {
      // A service called by name for the first time: the request waits for the registry, as it would for DNS.
      const resume = (): void =>
        proceed(this, request, options, port, localAddress, choose(request, options, true) as Exclude<Destination, Promise<void>>);
      void destination.then(resume, resume);
      return;
    }
    proceed(this, request, options, port, localAddress, destination);
  };
}

/** The options for another address. Called by name, the name stays in the Host header and is what TLS is verified against. */
function addressed(request: Request, options: RequestOptions, to: Redirected): RequestOptions {
  const { ip, port } = to.instance;
  if (!to.byName && request.getHeader('host') === `${options.host}:${options.port}` && !request.headersSent) {
    request.setHeader('Host', `${ip.includes(':') ? `[${ip}]` : ip}:${port}`);
  }
  const changed: RequestOptions = { ...options, host: ip, port };
  // With array headers there is no Host header yet, from which Node would take the name that TLS is verified against.
  if (to.byName && options.servername === undefined && request.getHeader('host') === undefined) changed.servername = options.host as string;
  return changed;
}

type StoreHeader = (this: Request, firstLine: string, headers: unknown) => void;

function storeHeaderWithLane(original: StoreHeader, runtime: Runtime): StoreHeader {
  const withLane = safely('http-client headers', headersWithLane);
  return function _storeHeader(this: Request, firstLine: string, headers: unknown): void {
    const made = this[LANE];
    const context = made === undefined ? currentContext() : made;
    if (context === undefined || context === null) {
      original.call(this, firstLine, headers);
      return;
    }
    original.call(this, firstLine, withLane(this, headers, context, runtime) ?? headers);
  };
}

/** The headers to store. Object headers are the request's own and changed in place; arrays are the app's and copied. */
function headersWithLane(request: Request, headers: unknown, context: LaneContext, runtime: Runtime): unknown {
  if (context.tag !== undefined && !runtime.propagation.allows(request.host)) return headers;
  if (Array.isArray(headers)) {
    const copy = new ArrayHeaders(headers);
    writeLane(context, runtime.codec, copy);
    return copy.toArray();
  }
  if (headers === null || headers === undefined) {
    const added = new PlainHeaders();
    writeLane(context, runtime.codec, added);
    return added.values;
  }
  writeLane(context, runtime.codec, new RequestHeaders(request));
  return headers;
}

class RequestHeaders implements OutboundHeaders {
  readonly #request: http.ClientRequest;
  constructor(request: http.ClientRequest) {
    this.#request = request;
  }
  get(name: string): HeaderLines {
    const value = this.#request.getHeader(name);
    return typeof value === 'number' ? String(value) : value;
  }
  set(name: string, value: string): void {
    this.#request.setHeader(name, value);
  }
  remove(name: string): void {
    this.#request.removeHeader(name);
  }
}

class PlainHeaders implements OutboundHeaders {
  readonly values: Record<string, string> = {};
  get(): HeaderLines {
    return undefined;
  }
  set(name: string, value: string): void {
    this.values[name] = value;
  }
  remove(): void {}
}
