/**
 * The current lane. There is one context per process, however often this file is loaded: it lives on
 * `globalThis` under a versioned Symbol.for key.
 *
 * There is exactly one AsyncLocalStorage, first entered when the first tag arrives: until then an app pays nothing for it (on Node 20 and 22 each
 * `await` costs more once a store has been entered). It is created at once because Node 24 is faster with one that was created before the app's
 * own code ran: by a sixteenth of a request's instructions, with or without Lane.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { isTag, type Tag } from './names/tag.js';

/** A header that names a tag for each service: calls forward it unchanged. */
export interface Carried {
  /** Lower case. */
  readonly header: string;
  readonly value: string;
  readonly tags: ReadonlyMap<string, Tag>;
}

/** A lane context: interned per tag, so two are compared by identity. */
export interface LaneContext {
  /** undefined: expressly base, as for an untagged request to a tagged instance. */
  readonly tag: Tag | undefined;
  /** The header with tags for other services. */
  readonly carried?: Carried;
}

interface ContextState {
  /** undefined only if an older copy of this file created the state, and no lane has been entered. */
  storage: AsyncLocalStorage<LaneContext> | undefined;
  /** Whether any lane has been entered. Absent if an older copy of this file created the state. */
  entered?: boolean;
  /** The lane of work that belongs to no request (LANE_BACKGROUND); undefined: base. */
  background: LaneContext | undefined;
  readonly base: LaneContext;
  readonly interned: Map<Tag, LaneContext>;
  /** Whether any context has carried such a header. Absent if an older copy of this file created the state. */
  carries?: boolean;
  /** Runs work in a context; replaced if the context is also kept elsewhere (LANE_CONTEXT=cls). */
  enter: <A extends unknown[], R>(context: LaneContext, work: (...args: A) => R, self: unknown, args: A) => R;
}

const KEY = Symbol.for('lane.context.v1');
const state: ContextState = ((globalThis as Record<symbol, unknown>)[KEY] ??= createState()) as ContextState;

function createState(): ContextState {
  const storage = new AsyncLocalStorage<LaneContext>();
  const created: ContextState = {
    storage,
    entered: false,
    background: undefined,
    base: Object.freeze({ tag: undefined }),
    interned: new Map(),
    enter: (context, work, self, args) => {
      created.entered = true;
      return storage.run(context, applyWork as never, work, self, args) as never;
    },
  };
  return created;
}

function applyWork(work: (...args: unknown[]) => unknown, self: unknown, args: unknown[]): unknown {
  return Reflect.apply(work, self, args);
}

/** Tags that clients make up must not fill the memory. */
const MAX_INTERNED = 1024;

/** The context of a tag, or the expressly-base one; one with a carried header is created for its request. */
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

/** The current context; undefined: base, with no lane known. One read, no allocation. */
export function currentContext(): LaneContext | undefined {
  const { storage } = state;
  return state.entered === false || storage === undefined ? state.background : (storage.getStore() ?? state.background);
}

/** The header that the current work forwards. Costs a comparison until the first such request. */
export function currentCarried(): Carried | undefined {
  return state.carries === true ? currentContext()?.carried : undefined;
}

/** The current tag, or undefined for base. */
export function currentLane(): Tag | undefined {
  return currentContext()?.tag;
}

/** Runs `work` with `self` and `args` in a context, and returns its result. */
export function enterContext<A extends unknown[], R>(context: LaneContext, work: (...args: A) => R, self: unknown, args: A): R {
  return state.enter(context, work, self, args);
}

/**
 * Runs work where it was handed over, in the context that was current then; undefined: none was, so that it is base wherever it runs now. Enters nothing
 * that is current, nor base where nothing has been entered yet: an app that works off a queue at its start would pay for a context from then on.
 */
export function resumeContext<A extends unknown[], R>(context: LaneContext | undefined, work: (...args: A) => R, self: unknown, args: A): R {
  const current = currentContext();
  if (current === context || (context === state.base && current === undefined && !hasEnteredLane())) return Reflect.apply(work, self, args);
  return state.enter(context ?? state.base, work, self, args);
}

/**
 * Runs `work` in the lane of `tag` and returns its result; everything it starts belongs to that lane. Undefined is base, and so is an invalid tag,
 * such as the null or the empty string that stores return for none.
 */
export function runInLane<A extends unknown[], R>(tag: Tag | undefined | null, work: (...args: A) => R, ...args: A): R {
  const known = isTag(tag) ? tag : undefined;
  // No lane has been entered yet, so this is base already.
  if (known === undefined && !hasEnteredLane() && state.background === undefined) return work(...args);
  return state.enter(laneContext(known), work, undefined, args);
}

/** Binds a function to the current lane: it runs there wherever it is called. */
export function bindLane<T, A extends unknown[], R>(work: (this: T, ...args: A) => R): (this: T, ...args: A) => R {
  const context = currentContext();
  return function bound(this: T, ...args: A): R {
    return resumeContext(context, work as (...args: A) => R, this, args);
  };
}

/** Whether any lane has been entered in this process: until then, there is no context to lose. */
export function hasEnteredLane(): boolean {
  return state.entered ?? state.storage !== undefined;
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
