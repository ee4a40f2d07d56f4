import { wrap, type Undo } from '@lane/core/agent';
import { currentLane, runInLane } from '@lane/core/model';
import type { LaneNaming, SdkHook } from './lane-naming.js';

/** A function of an SDK to be patched. */
export type AnyFunction = (this: unknown, ...args: never[]) => unknown;

/** Creates a method's replacement. */
export type MakeMethod = (lanes: LaneNaming, original: AnyFunction) => AnyFunction;

/** An adapter of one SDK: which methods of its naming client are filtered or tagged, and how. One file each, all of this shape. */
export interface SdkAdapter {
  /** Its package. */
  readonly sdk: 'nacos' | 'nacos-sdk-rust-binding-node';
  /** The export with the methods on its prototype. */
  readonly clientClass: string;
  /** By name; missing ones are skipped. */
  readonly methods: AdapterMethods;
  /** For SDKs whose clients do not expose their options: notes them as a client is constructed. */
  readonly constructed?: (lanes: LaneNaming, client: object, options: unknown) => void;
}

/** Replacements by method name. */
export type AdapterMethods = Readonly<Record<string, MakeMethod>>;

/** Marks a decorated method, for all copies of this package. */
const DECORATED = Symbol.for('lane.nacos.decorated.v1');

/**
 * Replaces the SDK's methods by an adapter's: on the client class's prototype, or on one client. Skips decorated
 * ones. Returns the functions that undo each.
 */
export function decorate(adapter: SdkAdapter, target: object, lanes: LaneNaming): Undo[] {
  const undos: Undo[] = [];
  for (const [name, make] of Object.entries(adapter.methods)) {
    const undo = wrap(
      target,
      name,
      (original: AnyFunction) => make(lanes, original),
      // Filtering twice only costs more; and unSubscribe would miss its listener.
      DECORATED,
    );
    if (undo !== undefined) undos.push(undo);
  }
  return undos;
}

type ClientClass = abstract new (...args: never[]) => object;

/** Makes the client class among a package's exports report each new client to the adapter; undefined if the adapter does not need it. */
export function decorateClass(adapter: SdkAdapter, exports: object, lanes: LaneNaming): Undo | undefined {
  const { constructed } = adapter;
  if (constructed === undefined) return undefined;
  const hook = `${adapter.sdk} constructor` as const;
  const tellOf = (original: ClientClass): ClientClass =>
    new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        const client = Reflect.construct(target, args, newTarget) as object;
        lanes.attempt(hook, () => constructed(lanes, client, args[0]));
        return client;
      },
    });
  return wrap(exports, adapter.clientClass, tellOf, DECORATED);
}

/**
 * Calls an SDK outside any lane: the timers and sockets that it starts on the way must not carry the lane of the request
 * that happened to be the first.
 */
export function outsideLane<T, A extends unknown[], R>(original: (this: T, ...args: A) => R, self: T, args: A): R {
  if (currentLane() === undefined) return Reflect.apply(original, self, args);
  return runInLane(undefined, () => Reflect.apply(original, self, args));
}

/** An app's instance with other metadata: a copy of the same class. */
export function withMetadata<T extends object>(instance: T, metadata: unknown): T {
  const copy = Object.create(Object.getPrototypeOf(instance) as object | null) as T;
  Object.assign(copy, instance, { metadata });
  return copy;
}

/** Calls an app's listener in the lane of background work. `hook` is the guard's name for finding that lane. */
export function callInBackground<A extends unknown[]>(
  lanes: LaneNaming,
  hook: SdkHook,
  listener: (this: unknown, ...args: A) => unknown,
  self: unknown,
  args: A,
): unknown {
  const tag = lanes.attempt(hook, () => lanes.backgroundTag());
  if (currentLane() === tag) return Reflect.apply(listener, self, args);
  return runInLane(tag, () => Reflect.apply(listener, self, args));
}
