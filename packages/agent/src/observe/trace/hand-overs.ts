/**
 * Watches functions that requests hand to libraries, and reports those that run in the context of another request, or of none, as in a queue
 * that keeps callbacks and calls them later. AsyncLocalStorage can't tell, because such a queue misleads it;
 * the function itself can. So we watch the exports of packages and of the app's own files.
 *
 * Not seen: functions in properties of arguments, exports of ES module packages, and data that is handed over without a function.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { TraceHandOver, TraceRequestId } from '@lane/core/agent';
import { wrap, type Method } from '@lane/core/agent';
import { libraryFrame, nearestFrame, ownerOf, ownFrame, stackHere, type Owner } from './frames.js';

/** How the path to a method goes on from the file: steps in the form of LANE_BIND. */
interface Site {
  readonly owner: Owner;
  readonly file: string;
  readonly path: string;
}

/** Methods that compare functions by identity: what is removed must be what was added. */
const BY_IDENTITY = new Set(
  'on,once,off,addListener,removeListener,prependListener,prependOnceListener,removeAllListeners,addEventListener,removeEventListener,subscribe,unsubscribe,constructor'.split(
    ',',
  ),
);

/** Tools that load the app, and other watchers. */
const LEFT_ALONE = /^(?:@lane\/|@opentelemetry\/|typescript$|ts-node$|tsx$|esbuild$|@swc\/|source-map|newrelic$|dd-trace$|nock$|sinon$|jest|vitest$)/;

const MAX_DEPTH = 3;

/** Functions handed over in one process. */
export class HandOvers {
  readonly #store = new AsyncLocalStorage<TraceHandOver>();
  readonly #contextRequest: () => TraceRequestId | undefined;
  readonly #seen = new WeakSet<object>();

  /** `contextRequest` returns the request of the current lane context. */
  constructor(contextRequest: () => TraceRequestId | undefined) {
    this.#contextRequest = contextRequest;
  }

  /** The hand-over that led here; undefined: none that matters. */
  get current(): TraceHandOver | undefined {
    return this.#store.getStore();
  }

  /** Watches what a file exports. */
  watch(loaded: { exports: unknown }, filename: string): void {
    const owner = ownerOf(filename);
    if (owner === undefined || LEFT_ALONE.test(owner.name) || filename.endsWith('.json') || filename.endsWith('.node')) return;
    const within = filename.slice(owner.root.length).replaceAll('\\', '/');
    const file = !owner.isOwn && owner.manifest.entries.includes(within) ? owner.name : `${owner.name}/${within}`;
    const { exports } = loaded;
    if (!isObject(exports)) return;
    const site = { owner, file, path: '' };
    if (typeof exports === 'function' && !isClass(exports)) {
      this.#watchMembers(exports, site, 0);
      loaded.exports = this.#watched(exports as Method, site);
    } else this.#watchValue(exports, site, 0);
  }

  /** Members and prototype of a value, not the value's own calls. */
  #watchValue(value: object, site: Site, depth: number): void {
    if (this.#seen.has(value) || depth > MAX_DEPTH) return;
    this.#seen.add(value);
    if (isClass(value)) this.#watchPrototype(value.prototype as object, { ...site, path: joined(site.path, 'prototype') });
    this.#watchMembers(value, site, depth);
  }

  #watchPrototype(prototype: object, site: Site): void {
    if (this.#seen.has(prototype)) return;
    this.#seen.add(prototype);
    for (const name of Object.getOwnPropertyNames(prototype)) this.#watchMethod(prototype, name, { ...site, path: joined(site.path, name) });
  }

  #watchMembers(value: object, site: Site, depth: number): void {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (name === 'prototype' || descriptor.enumerable !== true) continue;
      const member: unknown = descriptor.get === undefined ? descriptor.value : isReference(descriptor.get) ? descriptor.get.call(value) : undefined;
      if (!isObject(member)) continue;
      const within = { ...site, path: joined(site.path, name) };
      if (typeof member === 'function' && !isClass(member)) this.#watchMethod(value, name, within);
      else if (isClass(member) || depth === 0) this.#watchValue(member, within, depth + 1);
    }
  }

  #watchMethod(target: object, name: string, site: Site): void {
    const descriptor = Object.getOwnPropertyDescriptor(target, name);
    if (BY_IDENTITY.has(name) || typeof descriptor?.value !== 'function' || isClass(descriptor.value)) return;
    wrap(target, name, (original: Method) => this.#watched(original, site), Symbol('lane.trace'));
  }

  /** A Proxy, because properties that the app or the library sets on a function must be visible to both. */
  #watched(original: Method, site: Site): Method {
    return new Proxy(original, {
      apply: (target, self, args: unknown[]) => this.#given(Reflect.apply(target, self, this.#handing(args, site)), site),
      construct: (target, args: unknown[], newTarget) =>
        Reflect.construct(target as unknown as new () => object, this.#handing(args, site), newTarget as new () => object),
    });
  }

  #handing(args: unknown[], site: Site): unknown[] {
    const request = this.#effective();
    if (request === undefined) return args;
    let tracked = args;
    for (let i = 0; i < args.length; i++) {
      if (typeof args[i] !== 'function' || isClass(args[i] as object)) continue;
      if (tracked === args) tracked = [...args];
      tracked[i] = this.#tracked(args[i] as Method, request, site, i);
    }
    return tracked;
  }

  #tracked(given: Method, request: TraceRequestId, site: Site, index: number): Method {
    const handed = stackHere();
    const run = (original: Method, self: unknown, args: unknown[]): unknown => {
      if (this.#effective() === request) return Reflect.apply(original, self, args);
      const here = stackHere();
      const handOver: TraceHandOver = {
        library: site.owner.name,
        version: site.owner.version,
        isOwn: site.owner.isOwn,
        binding: `${site.file}:${site.path}[${index}]`,
        request,
        handedAt: ownFrame(handed),
        runAt: (site.owner.isOwn ? undefined : libraryFrame(here)?.at) ?? nearestFrame(here),
      };
      return this.#store.run(handOver, () => Reflect.apply(original, self, args) as unknown);
    };
    return new Proxy(given, { apply: (target, self, args: unknown[]) => run(target, self, args) });
  }

  /** The result of a factory has the methods that matter. */
  #given(given: unknown, site: Site): unknown {
    if (!isObject(given) || this.#seen.has(given) || site.path.endsWith('()') || typeof (given as { then?: unknown }).then === 'function')
      return given;
    // Created within a request, it usually belongs to that request, and is not a shared queue.
    if (this.#effective() !== undefined || isClass(given)) return given;
    this.#seen.add(given);
    const within = { ...site, path: `${site.path}()` };
    if (typeof given === 'function') {
      const isBare = Object.values(given).every((member) => typeof member !== 'function');
      return isBare ? this.#watched(given as Method, within) : given;
    }
    const prototype = Object.getPrototypeOf(given) as object | null;
    if (prototype === Object.prototype || prototype === null) this.#watchMembers(given, within, 1);
    else if (!isBuiltin(prototype)) this.#watchPrototype(prototype, within);
    return given;
  }

  /** The request that we run for, as far as hand-overs show. */
  #effective(): TraceRequestId | undefined {
    return this.#store.getStore()?.request ?? this.#contextRequest();
  }
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** A class, or a constructor of the old form, which has methods. */
function isClass(value: object): value is { readonly prototype: unknown } & object {
  if (typeof value !== 'function') return false;
  const prototype = Object.getOwnPropertyDescriptor(value, 'prototype')?.value as object | null | undefined;
  return typeof prototype === 'object' && prototype !== null && (Object.getOwnPropertyNames(prototype).length > 1 || /^class\b/.test(String(value)));
}

/** A compiled `export` getter, which has no side effects. */
function isReference(getter: () => unknown): boolean {
  return /^(?:\(\)\s*=>\s*[\w$]+|function\s*\(\)\s*\{\s*return [\w$]+(?:\.[\w$]+|\[\w+\])?;?\s*\})$/.test(String(getter));
}

function isBuiltin(prototype: object): boolean {
  const { constructor } = prototype as { constructor?: unknown };
  if (typeof constructor !== 'function' || /\{\s*\[native code\]\s*\}$/.test(String(constructor))) return true;
  return BUILTINS.some((name) => Object.values(require(name) as object).includes(constructor) || require(name) === constructor);
}

const BUILTINS = [
  'node:events',
  'node:stream',
  'node:net',
  'node:http',
  'node:https',
  'node:async_hooks',
  'node:readline',
  'node:zlib',
  'node:fs',
  'node:tls',
];
