/**
 * undici, and the fetch that is built into Node.
 *
 * `DispatcherBase.prototype.dispatch` is called in the caller's context; later, a pool makes the request when its queue
 * drains, in somebody else's. So the lane is fixed here, once, and the options are marked: an Agent dispatches to a Pool,
 * which dispatches to a Client. Untagged calls are marked too, or they would take the lane of whoever drains the queue.
 * The answer comes from the socket, in the lane that opened it: handlers that may dispatch again from there (retries,
 * redirects, an app's own) are called in the lane of their request.
 * The undici inside Node is patched at the first fetch: loading it costs more than the rest of the agent.
 * Limit: a Pool or Client of fixed https origin is not redirected, since its TLS settings can't be taken along.
 */
import { AsyncResource } from 'node:async_hooks';
import { currentContext, enterContext, hasEnteredLane, laneContext, LaneUnavailableError, writeLane, type LaneContext } from '@lane/core';
import type { Destination, Redirected } from '../destination.js';
import type { LoadedFile } from '../instrumentation.js';
import { copyHeaders } from '../outbound.js';
import type { Runtime } from '../runtime.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

/** On dispatch options that have been through here. */
const MARK = Symbol('lane.dispatched');

interface Mark {
  /** Where they were sent; undefined: where their Pool or Client goes. */
  readonly origin: string | URL | undefined;
  readonly context: LaneContext | undefined;
}

interface DispatchOptions {
  origin?: string | URL;
  headers?: unknown;
  [MARK]?: Mark;
}
interface DispatchHandler {
  onError?(error: Error): void;
  onResponseError?(controller: unknown, error: Error): void;
}
type Dispatch = (this: Dispatcher, options: DispatchOptions, handler: DispatchHandler) => boolean;
interface Dispatcher {
  dispatch: Dispatch;
}
type AgentClass = new () => Dispatcher;

/** An undici that the app has as a dependency. */
export function patch({ exports, filename, runtime }: LoadedFile): void {
  const agentFile = filename.replace(/dispatcher-base\.js$/, 'agent.js');
  patchDispatcherBase((exports as { prototype: object }).prototype, runtime, () => require(agentFile) as AgentClass);
}

/** Patches the undici inside Node, once it is there. */
export function install(runtime: Runtime): void {
  const scope = globalThis as Record<PropertyKey, unknown>;
  if (typeof scope['fetch'] !== 'function') return;
  let patched = false;
  const patch = safely('undici', () => {
    patched = true;
    // Reading one of its classes makes Node load it, and with it the global dispatcher.
    void globalThis.Headers;
    const dispatcher = (scope[Symbol.for('undici.globalDispatcher.2')] ?? scope[Symbol.for('undici.globalDispatcher.1')]) as object | undefined;
    const base = prototypeWith(dispatcher, 'dispatch');
    if (base === undefined) {
      runtime.log.once('undici built in', 'warn', `fetch of ${process.version} could not be patched: its calls carry no tag`);
      return;
    }
    patchDispatcherBase(base, runtime, () => (dispatcher as { constructor: AgentClass }).constructor);
  });
  wrap(scope, 'fetch', (original) => {
    return function fetch(this: unknown, ...args: never[]): unknown {
      if (!patched) patch();
      return Reflect.apply(original, this, args);
    };
  });
}

/** The farthest prototype with a method of its own of that name, below the abstract Dispatcher. */
function prototypeWith(object: object | undefined, name: string): object | undefined {
  let found: object | undefined;
  for (let at = object; at !== undefined && at !== null; at = Object.getPrototypeOf(at) as object) {
    // Dispatcher itself only says "not implemented"; DispatcherBase is the one that has `destroyed`.
    if (Object.hasOwn(at, name) && Object.hasOwn(at, 'destroyed')) found = at;
  }
  return found;
}

function patchDispatcherBase(prototype: object, runtime: Runtime, agentClass: () => AgentClass): void {
  wrap(prototype, 'dispatch', (original) => dispatchInLane(original as never, runtime, agentClass));
}

function dispatchInLane(original: Dispatch, runtime: Runtime, agentClass: () => AgentClass): Dispatch {
  const { destinations } = runtime;
  const originOf = createOriginReader();
  const targetOf = safely('undici', (dispatcher: Dispatcher, options: DispatchOptions): Target | undefined => {
    if (options === null || typeof options !== 'object') return undefined;
    const fixed = fixedOrigin(dispatcher);
    const origin = originOf(fixed ?? options.origin);
    const mark = options[MARK];
    return { context: mark === undefined ? currentContext() : mark.context, fixed: fixed !== undefined, origin };
  });
  const choose = safely('undici destination', ({ origin, context }: Target, retry: boolean): Destination =>
    origin === undefined || destinations.isEmpty ? undefined : destinations.choose(origin.host, origin.port, context?.tag, retry),
  );
  const prepare = safely('undici headers', prepareOptions);
  const inLane = safely('undici handler', handlerInLane);
  let redirecting: Dispatcher | undefined;

  function proceed(
    dispatcher: Dispatcher,
    options: DispatchOptions,
    handler: DispatchHandler,
    target: Target,
    destination: Exclude<Destination, Promise<void>>,
  ): boolean {
    if (destination instanceof LaneUnavailableError) {
      if (typeof handler.onError === 'function') handler.onError(destination);
      else handler.onResponseError?.(null, destination);
      return true;
    }
    const redirect = destination !== undefined && !(target.fixed && target.origin?.protocol !== 'http:') ? destination : undefined;
    const prepared = prepare(options, target, redirect, runtime) ?? options;
    const called = inLane(handler, target) ?? handler;
    if (redirect !== undefined && target.fixed) {
      redirecting ??= new (agentClass())();
      return Reflect.apply(original, redirecting, [prepared, called]);
    }
    return Reflect.apply(original, dispatcher, [prepared, called]);
  }

  return function dispatch(this: Dispatcher, options: DispatchOptions, handler: DispatchHandler): boolean {
    // Been here, unless a redirect has since given it another origin.
    const mark = options?.[MARK];
    if (mark !== undefined && (mark.origin === options.origin || options.origin === undefined))
      return Reflect.apply(original, this, [options, handler]);
    const target = targetOf(this, options);
    if (target === undefined) return Reflect.apply(original, this, [options, handler]);
    const destination = choose(target, false);
    if (destination instanceof Promise) {
      const resume = (): void => void proceed(this, options, handler, target, choose(target, true) as Exclude<Destination, Promise<void>>);
      void destination.then(resume, resume);
      return true;
    }
    return proceed(this, options, handler, target, destination);
  };
}

interface Origin {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** As it stands in a Host header. */
  readonly authority: string;
}

interface Target {
  readonly context: LaneContext | undefined;
  /** The dispatcher is a Pool or Client: its origin can't be changed, only another dispatcher taken. */
  readonly fixed: boolean;
  readonly origin: Origin | undefined;
}

const MAX_REMEMBERED_ORIGINS = 500;

/** Parses origins, each only once. */
function createOriginReader(): (origin: string | URL | undefined) => Origin | undefined {
  const remembered = new Map<string, Origin>();
  return (origin) => {
    if (origin === undefined || origin === null) return undefined;
    const text = typeof origin === 'string' ? origin : origin.origin;
    let parsed = remembered.get(text);
    if (parsed === undefined) {
      const url = new URL(text);
      const { protocol } = url;
      const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
      parsed = { protocol, host, port: url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port), authority: url.host };
      if (remembered.size < MAX_REMEMBERED_ORIGINS) remembered.set(text, parsed);
    }
    return parsed;
  };
}

const fixedOrigins = new WeakMap<object, URL | null>();

/** The origin of a Pool or Client; undefined for an Agent. undici keeps it under a symbol of its own copy. */
function fixedOrigin(dispatcher: object): URL | undefined {
  let origin = fixedOrigins.get(dispatcher);
  if (origin === undefined) {
    const symbol = Object.getOwnPropertySymbols(dispatcher).find(({ description }) => description === 'url');
    origin = symbol === undefined ? null : ((dispatcher as Record<symbol, URL>)[symbol] as URL);
    fixedOrigins.set(dispatcher, origin);
  }
  return origin ?? undefined;
}

function prepareOptions(options: DispatchOptions, target: Target, redirect: Redirected | undefined, runtime: Runtime): DispatchOptions {
  const { context, origin } = target;
  const prepared: DispatchOptions = { ...options };
  if (redirect !== undefined && origin !== undefined) {
    const { ip, port } = redirect.instance;
    prepared.origin = `${origin.protocol}//${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
    if (redirect.byName) {
      const headers = copyHeaders(prepared.headers);
      if (headers.get('host') === undefined) headers.set('host', origin.authority);
      prepared.headers = headers.toHeaders();
    }
  }
  prepared[MARK] = { origin: prepared.origin, context };
  if (context !== undefined && (context.tag === undefined || origin === undefined || runtime.propagation.allows(origin.host))) {
    const headers = copyHeaders(prepared.headers);
    writeLane(context, runtime.codec, headers);
    prepared.headers = headers.toHeaders();
  }
  return prepared;
}

/** A handler that is called in the lane of its request, whoever calls it. */
function handlerInLane(handler: DispatchHandler, { context = laneContext(undefined) }: Target): DispatchHandler {
  // Those of undici's request, stream and pipeline see to it themselves; that of fetch, a literal, settles a promise.
  if (!hasEnteredLane() || handler instanceof AsyncResource || (Object.hasOwn(handler, 'abort') && Object.hasOwn(handler, 'body'))) return handler;
  return new Proxy({} as DispatchHandler, {
    get(_, name) {
      const value: unknown = Reflect.get(handler, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => enterContext(context, value as (...args: unknown[]) => unknown, handler, args);
    },
    set: (_, name, value) => Reflect.set(handler, name, value),
    has: (_, name) => Reflect.has(handler, name),
    getPrototypeOf: () => Object.getPrototypeOf(handler) as object | null,
  });
}
