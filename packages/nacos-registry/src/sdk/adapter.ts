import { wrap, type Undo } from '@lane/core/agent';
import { currentLane, runInLane } from '@lane/core/model';
import type { LaneNaming, SdkHook } from './lane-naming.js';

/** A function of an SDK's, as it is patched. */
export type AnyFunction = (this: unknown, ...args: never[]) => unknown;

/** Makes the function that takes a method's place. */
export type MakeMethod = (lanes: LaneNaming, original: AnyFunction) => AnyFunction;

/** Knowledge of one SDK: which methods of its naming client are filtered or tagged, and how. One file each, all of this shape. */
export interface SdkAdapter {
  /** Its package. */
  readonly sdk: 'nacos' | 'nacos-sdk-rust-binding-node';
  /** The export whose prototype has the methods. */
  readonly clientClass: string;
  /** By name; those that a version of the SDK does not have are passed over. */
  readonly methods: AdapterMethods;
  /** Where clients do not show the options they were made with: notes them as a client is constructed. */
  readonly constructed?: (lanes: LaneNaming, client: object, options: unknown) => void;
}

/** What takes the methods' places, by their names. */
export type AdapterMethods = Readonly<Record<string, MakeMethod>>;

/** By this a method of an SDK's is known as decorated already, by whichever copy of this package. */
const DECORATED = Symbol.for('lane.nacos.decorated.v1');

/**
 * Puts an adapter's methods in the place of the SDK's: on the client class's prototype, or on one client. Those that are decorated
 * already are left alone. Returns what takes each of them back.
 */
export function decorate(adapter: SdkAdapter, target: object, lanes: LaneNaming): Undo[] {
  const undos: Undo[] = [];
  for (const [name, make] of Object.entries(adapter.methods)) {
    const undo = wrap(
      target,
      name,
      (original: AnyFunction) => make(lanes, original),
      // Filtered twice is filtered once, at twice the cost; and unSubscribe would miss its listener.
      DECORATED,
    );
    if (undo !== undefined) undos.push(undo);
  }
  return undos;
}

type ClientClass = abstract new (...args: never[]) => object;

/** Makes the client class among a package's exports tell the adapter of each client made; undefined where the adapter has no use for it. */
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

/** An instance as an app gives it to an SDK, with other metadata: a copy of the same class. */
export function withMetadata<T extends object>(instance: T, metadata: unknown): T {
  const copy = Object.create(Object.getPrototypeOf(instance) as object | null) as T;
  Object.assign(copy, instance, { metadata });
  return copy;
}

/** Calls an app's listener in the lane of background work. `hook` is what the guard is told of finding that lane. */
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
