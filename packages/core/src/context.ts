/**
 * The lane of the work at hand. There is one context per process, whoever loads this file and however often: it lives on
 * `globalThis` under a versioned Symbol.for key.
 *
 * There is exactly one AsyncLocalStorage, made when the first tag arrives: until then an app without tagged requests pays
 * nothing for it (on Node 20 and 22 each `await` costs more once a store has been entered).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Tag } from './names/tag.js';

/** A header that names a tag for each service: calls carry it on as it came. */
export interface Carried {
  /** Lower case. */
  readonly header: string;
  readonly value: string;
  readonly tags: ReadonlyMap<string, Tag>;
}

/** The lane of some work: interned per tag, so comparing two is comparing identities. */
export interface LaneContext {
  /** undefined: expressly base, as for an untagged request to a tagged instance. */
  readonly tag: Tag | undefined;
  /** What names other tags for other services. */
  readonly carried?: Carried;
}

interface ContextState {
  storage: AsyncLocalStorage<LaneContext> | undefined;
  /** The lane of work that belongs to no request (LANE_BACKGROUND); undefined: base. */
  background: LaneContext | undefined;
  readonly base: LaneContext;
  readonly interned: Map<Tag, LaneContext>;
  /** Whether any context has carried something. Absent where an older copy of this file has made the state. */
  carries?: boolean;
  /** Runs work in a context; replaced where a context is also kept elsewhere (LANE_CONTEXT=cls). */
  enter: <A extends unknown[], R>(context: LaneContext, work: (...args: A) => R, self: unknown, args: A) => R;
}

const KEY = Symbol.for('lane.context.v1');
const state: ContextState = ((globalThis as Record<symbol, unknown>)[KEY] ??= createState()) as ContextState;

function createState(): ContextState {
  const created: ContextState = {
    storage: undefined,
    background: undefined,
    base: Object.freeze({ tag: undefined }),
    interned: new Map(),
    enter: (context, work, self, args) => {
      created.storage ??= new AsyncLocalStorage();
      return created.storage.run(context, applyWork as never, work, self, args) as never;
    },
  };
  return created;
}

function applyWork(work: (...args: unknown[]) => unknown, self: unknown, args: unknown[]): unknown {
  return Reflect.apply(work, self, args);
}

/** Tags that clients make up must not fill the memory. */
const MAX_INTERNED = 1024;

/** The context of a tag, or the one that expressly means base; one with something carried is made for its request. */
export function laneContext(tag: Tag | undefined, carried?: Carried): LaneContext {
  if (carried !== undefined) {
    state.carries = true;
    return Object.freeze({ tag, carried });
  }
  if (tag === undefined) return state.base;
  let context = state.interned.get(tag);
  if (context === undefined) {
    context = Object.freeze({ tag });
    if (state.interned.size < MAX_INTERNED) state.interned.set(tag, context);
  }
  return context;
}

/** The context of the work at hand; undefined: base, with nothing known of a lane. One read, nothing allocated. */
export function currentContext(): LaneContext | undefined {
  const { storage } = state;
  return storage === undefined ? state.background : (storage.getStore() ?? state.background);
}

/** What the work at hand carries on. Costs a comparison until a request has come with something of the kind. */
export function currentCarried(): Carried | undefined {
  return state.carries === true ? currentContext()?.carried : undefined;
}

/** The tag of the work at hand, or undefined for base. */
export function currentLane(): Tag | undefined {
  return currentContext()?.tag;
}

/** Runs `work` with `self` and `args` in a context, and gives its result. */
export function enterContext<A extends unknown[], R>(context: LaneContext, work: (...args: A) => R, self: unknown, args: A): R {
  return state.enter(context, work, self, args);
}

/** Runs `work` in the lane of `tag` (undefined: base) and gives its result; all that it starts belongs to that lane. */
export function runInLane<A extends unknown[], R>(tag: Tag | undefined, work: (...args: A) => R, ...args: A): R {
  // Nobody has entered a lane yet, and base is what there is: nothing to enter.
  if (tag === undefined && state.storage === undefined && state.background === undefined) return work(...args);
  return state.enter(laneContext(tag), work, undefined, args);
}

/** Binds a function to the lane of the work at hand: called from wherever, it runs there. */
export function bindLane<T, A extends unknown[], R>(work: (this: T, ...args: A) => R): (this: T, ...args: A) => R {
  const context = currentContext();
  return function bound(this: T, ...args: A): R {
    if (currentContext() === context) return Reflect.apply(work, this, args);
    return state.enter(context ?? state.base, work as (...args: A) => R, this, args);
  };
}

/** Whether any lane has been entered in this process yet: while not, there is no context to lose. */
export function hasEnteredLane(): boolean {
  return state.storage !== undefined;
}

/** Sets the lane of work that belongs to no request: called once, by the agent. */
export function setBackgroundLane(tag: Tag | undefined): void {
  state.background = tag === undefined ? undefined : laneContext(tag);
}

/** The lane of work that belongs to no request. */
export function backgroundLane(): Tag | undefined {
  return state.background?.tag;
}

/** Puts something around entering a context, such as another library's namespace: called once, by the agent. */
export function aroundEntering(around: (context: LaneContext, enter: () => unknown) => unknown): void {
  const { enter } = state;
  state.enter = ((context: LaneContext, work: (...args: unknown[]) => unknown, self: unknown, args: unknown[]) =>
    around(context, () => enter(context, work, self, args))) as ContextState['enter'];
}
