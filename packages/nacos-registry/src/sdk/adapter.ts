import { currentLane, runInLane } from '@lane/core/model';
import type { LaneNaming } from './lane-naming.js';

/** A function of an SDK's, as it is patched. */
export type AnyFunction = (this: unknown, ...args: never[]) => unknown;

/** Makes the function that takes a method's place. */
export type MakeMethod = (lanes: LaneNaming, original: AnyFunction) => AnyFunction;

/** Knowledge of one SDK: which methods of its naming client are filtered or tagged, and how. One file each, all of this shape. */
export interface SdkAdapter {
  /** Its package. */
  readonly sdk: string;
  /** The export whose prototype has the methods. */
  readonly clientClass: string;
  /** By name; those that a version of the SDK does not have are passed over. */
  readonly methods: AdapterMethods;
  /** Where clients do not show the options they were made with: notes them as a client is constructed. */
  readonly constructed?: (lanes: LaneNaming, client: object, options: unknown) => void;
}

/** What takes the methods' places, by their names. */
export type AdapterMethods = Readonly<Record<string, MakeMethod>>;

/** Puts the function that `make` gives in the place of a method. */
export type Wrap = (target: object, name: string, make: (original: AnyFunction) => AnyFunction) => unknown;

const DECORATED = Symbol.for('lane.nacos.decorated.v1');

const ours = new WeakSet<object>();
let makingOurs = false;

/**
 * Makes a client of an SDK's for our own connection: what it says is not filtered, wherever the SDK is decorated. The tables
 * need the whole list; a lane is chosen when they are asked.
 */
export function makeUnfiltered<T extends object>(make: () => T): T {
  makingOurs = true;
  try {
    const client = make();
    ours.add(client);
    return client;
  } finally {
    makingOurs = false;
  }
}

function isOurs(client: unknown): boolean {
  return typeof client === 'object' && client !== null && ours.has(client);
}

/**
 * Puts an adapter's methods in the place of the SDK's: on the client class's prototype, or on one client.
 * Returns what `wrap` gave for each; by default functions that take it back.
 */
export function decorate(adapter: SdkAdapter, target: object, lanes: LaneNaming, wrap: Wrap = replaceMethod): unknown[] {
  const undos: unknown[] = [];
  for (const [name, make] of Object.entries(adapter.methods)) {
    const present = (target as Record<string, unknown>)[name];
    // Filtered twice is filtered once, at twice the cost; and unSubscribe would miss its listener.
    if (typeof present !== 'function' || DECORATED in present) continue;
    undos.push(
      wrap(target, name, (original) => {
        const method = make(lanes, original);
        const filtered = function filtered(this: unknown, ...args: never[]): unknown {
          return Reflect.apply(isOurs(this) ? original : method, this, args);
        };
        Object.defineProperty(filtered, DECORATED, { value: true });
        return filtered;
      }),
    );
  }
  return undos;
}

/** A stand-in for an SDK's client class that tells the adapter of each client made; undefined where the adapter has no use for it. */
export function decorateClass<C extends abstract new (...args: never[]) => object>(
  adapter: SdkAdapter,
  clientClass: C,
  lanes: LaneNaming,
): C | undefined {
  const { constructed } = adapter;
  if (constructed === undefined) return undefined;
  return new Proxy(clientClass, {
    construct(target, args: unknown[], newTarget) {
      const client = Reflect.construct(target, args, newTarget) as object;
      if (!makingOurs) lanes.attempt(`the ${adapter.sdk} adapter`, () => constructed(lanes, client, args[0]));
      return client;
    },
  });
}

function replaceMethod(target: object, name: string, make: (original: AnyFunction) => AnyFunction): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const original = (target as Record<string, AnyFunction>)[name] as AnyFunction;
  const method = make(original);
  Object.defineProperties(method, {
    name: { value: original.name, configurable: true },
    length: { value: original.length, configurable: true },
  });
  Object.defineProperty(target, name, { value: method, writable: own?.writable ?? true, enumerable: own?.enumerable ?? false, configurable: true });
  return () => {
    if ((target as Record<string, unknown>)[name] !== method) return;
    if (own === undefined) delete (target as Record<string, unknown>)[name];
    else Object.defineProperty(target, name, own);
  };
}

/**
 * Calls an SDK outside any lane: the timers and sockets that it starts on the way must not carry the lane of the request
 * that happened to be the first.
 */
export function outsideLane<T, A extends unknown[], R>(original: (this: T, ...args: A) => R, self: T, args: A): R {
  if (currentLane() === undefined) return Reflect.apply(original, self, args);
  return runInLane(undefined, () => Reflect.apply(original, self, args));
}

/** An instance as an app gives it to an SDK, with other metadata: a copy of the same class. */
export function withMetadata<T extends object>(instance: T, metadata: unknown): T {
  const copy = Object.create(Object.getPrototypeOf(instance) as object | null) as T;
  Object.assign(copy, instance, { metadata });
  return copy;
}

/** Calls an app's listener in the lane of background work. */
export function callInBackground<A extends unknown[]>(
  lanes: LaneNaming,
  listener: (this: unknown, ...args: A) => unknown,
  self: unknown,
  args: A,
): unknown {
  const tag = lanes.attempt('the background lane', () => lanes.backgroundTag());
  if (currentLane() === tag) return Reflect.apply(listener, self, args);
  return runInLane(tag, () => Reflect.apply(listener, self, args));
}
