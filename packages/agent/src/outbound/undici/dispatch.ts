import { currentContext, hasEnteredLane, type Redirect, type SettledVerdict, type Verdict } from '@lane/core/model';
import type { Series } from '@lane/core/agent';
import { carryLane } from '../carry-lane.js';
import { copyHeaders, type CopiedHeaders } from '../header-forms.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';
import type { Observers } from '../../observe/observers.js';
import type { TrafficRecorder } from '../../observe/traffic/recorder.js';
import { copyWith } from '../../patching/copy-with.js';
import { safely } from '../../patching/safely.js';
import { handlerHearingUpgrade, handlerInLane, handlerUntilConnected } from './handler.js';
import { checkCreatedRequests } from './created-request.js';
import { leadsInside } from '../calls-inside.js';
import { directOf } from './proxies.js';
import { createSubstitutes, type Substitutes } from './substitutes.js';
import { createTargetReader, leadsElsewhere, originOf, type Target } from './target.js';
import {
  MARK,
  type Mark,
  type AgentClass,
  type Dispatch,
  type Dispatcher,
  type DispatchHandler,
  type DispatchOptions,
  type Origin,
} from './types.js';
import { createWaitingDispatches, type WaitingDispatch, type WaitingDispatches } from './waiting.js';
import { wrap } from '../../patching/wrap.js';

const patched = new WeakSet<object>();

/** Whether this file has decided about what an undici dispatcher sends. */
export function isPatchedDispatcher(dispatcher: object): boolean {
  for (let at = Object.getPrototypeOf(dispatcher) as object | null; at !== null; at = Object.getPrototypeOf(at) as object | null)
    if (patched.has(at)) return true;
  return false;
}

/** Patches DispatcherBase.prototype of one copy of undici. */
export function patchDispatcherBase(prototype: object, outbound: Outbound, agentClass: () => AgentClass): void {
  checkCreatedRequests(outbound);
  outbound.connecting.hearUndici();
  patched.add(prototype);
  const substitutes = createSubstitutes(agentClass);
  const waiting = createWaitingDispatches();
  wrap(prototype, 'dispatch', (original: Dispatch) => dispatchInLane(original, outbound, substitutes, waiting));
  // Without a callback, both call themselves with one.
  wrap(prototype, 'close', (original) => {
    return function close(this: Dispatcher, ...args: unknown[]): unknown {
      if (typeof args[0] !== 'function') return Reflect.apply(original, this, args);
      const proceed = (): unknown => {
        substitutes.end(this, 'close');
        return Reflect.apply(original, this, args);
      };
      // It waits for earlier requests, and so for waiting ones.
      const settledFirst = waiting.settled(this);
      if (settledFirst === undefined) return proceed();
      void settledFirst.then(proceed);
      return undefined;
    };
  });
  wrap(prototype, 'destroy', (original) => {
    return function destroy(this: Dispatcher, ...args: unknown[]): unknown {
      const result = Reflect.apply(original, this, args);
      substitutes.end(this, 'destroy');
      waiting.abandon(this, args[0] instanceof Error ? args[0] : undefined);
      return result;
    };
  });
}

function dispatchInLane(original: Dispatch, outbound: Outbound, substitutes: Substitutes, waiting: WaitingDispatches): Dispatch {
  const { router, connecting, observers } = outbound;
  const targetOf = safely('undici', createTargetReader());
  const judge = safely('undici destination', ({ origin, context, byProxy }: Target, waited: boolean): Verdict | undefined =>
    origin === undefined || byProxy || router.isEmpty ? undefined : router.judge(origin.host, origin.port, context?.tag, waited),
  );
  const count = safely('undici traffic', (traffic: TrafficRecorder, { origin, context }: Target, verdict: SettledVerdict) =>
    origin === undefined ? undefined : traffic.call(origin.host, origin.port, context?.tag, verdict),
  );
  const isElsewhere = safely('undici origin', leadsElsewhere);
  const prepare = safely('undici headers', prepareOptions);
  const inLane = safely('undici handler', handlerInLane);
  const substitute = safely('undici substitute', substitutes.of);
  const begin = safely('undici tries', connecting.begin.bind(connecting));
  const hearUpgrade = safely('undici upgrades', ({ host, port }: Origin, status: number) => {
    if (connecting.minds(status)) connecting.responded(host, port, status);
  });
  /** The dispatcher for a call that must bypass the proxy which the given one may choose. */
  const beside = safely('undici proxy', (dispatcher: Dispatcher, { origin }: DispatchOptions): Dispatcher | undefined => {
    const direct = directOf(dispatcher) as Dispatcher | undefined;
    const parsed = direct === undefined ? undefined : originOf(origin);
    return parsed !== undefined && leadsInside(router, parsed.host, parsed.port) ? direct : undefined;
  });

  function proceed(dispatcher: Dispatcher, options: DispatchOptions, handler: DispatchHandler, target: Target, verdict: SettledVerdict): boolean {
    const series = observers.traffic === undefined ? undefined : (options[MARK]?.series ?? count(observers.traffic, target, verdict));
    if (verdict.kind === 'unavailable') {
      if (series !== undefined) series.errors++;
      fail(handler, unavailableError(verdict));
      return true;
    }
    const told = inLane(handler, target.context) ?? handler;
    if (verdict.kind !== 'redirect') return send(dispatcher, options, told, target, verdict, series);
    const attempt = begin(verdict);
    if (attempt === undefined) return send(dispatcher, options, told, target, verdict, series);
    const handedOn = handlerUntilConnected(told, () => {
      const instance = attempt.next();
      if (instance === undefined) return false;
      // undici has counted a failure: of a try, not of the call.
      if (series !== undefined) series.errors--;
      send(dispatcher, options, handedOn, target, { ...verdict, instance }, series);
      return true;
    });
    return send(dispatcher, options, handedOn, target, verdict, series);
  }

  function send(
    dispatcher: Dispatcher,
    options: DispatchOptions,
    handler: DispatchHandler,
    target: Target,
    verdict: SettledVerdict,
    series: Series | undefined,
  ): boolean {
    const redirect = verdict.kind === 'redirect' ? verdict : undefined;
    const chosen = redirect !== undefined && target.fixed ? substitute(dispatcher) : dispatcher;
    const prepared = prepare(options, target, chosen === undefined ? undefined : redirect, series, outbound);
    // An unprepared call has no origin for a substitute, and no mark that stops the substitute from getting another, and so on forever.
    const through = prepared === undefined ? dispatcher : (chosen ?? dispatcher);
    const destination = prepared?.[MARK]?.destination;
    const told =
      connecting.judgesAnswers && destination !== undefined && isSet(options.upgrade)
        ? handlerHearingUpgrade(handler, (status) => hearUpgrade(destination, status))
        : handler;
    const dispatched = (): boolean => dispatchCounting(original, through, prepared ?? options, told, series, observers);
    const writable = observers.verdicts === undefined ? dispatched() : observers.verdicts.during(verdict, dispatched);
    // A caller told to wait waits for `drain` of its own dispatcher, which a substitute does not emit.
    return writable || through !== dispatcher;
  }

  const isQuiet = (): boolean =>
    !hasEnteredLane() && currentContext() === undefined && router.isEmpty && observers.traffic === undefined && observers.verdicts === undefined;

  return function dispatch(this: Dispatcher, options: DispatchOptions, handler: DispatchHandler): boolean {
    // Already decided, unless a redirect has since changed the origin, or the caller ignores the origin.
    const mark = options?.[MARK];
    if (
      mark?.destination !== undefined &&
      (mark.origin === options.origin || options.origin === undefined) &&
      isElsewhere(this, mark.destination) !== true
    )
      return dispatchCounting(original, this, options, handler, mark.series, observers);
    // No lane and no known destination: whoever drains the queue only needs a mark that says so.
    if (isQuiet() && options !== null && typeof options === 'object') {
      return Reflect.apply(original, this, [mark === QUIET ? options : copyWith(options, MARK, QUIET), handler]);
    }
    const direct = router.isEmpty ? undefined : beside(this, options);
    if (direct !== undefined) return direct.dispatch(options, handler);
    const target = targetOf(this, options);
    if (target === undefined) return Reflect.apply(original, this, [options, handler]);
    const verdict = judge(target, false);
    if (verdict?.kind !== 'wait') return proceed(this, options, handler, target, settled(verdict));
    const goOn = (): void => void proceed(this, options, handler, target, settled(judge(target, true)));
    const isGone = (): void => void Reflect.apply(original, this, [options, handler]);
    waitAndGoOn(waiting, this, handler, verdict.until, goOn, isGone);
    return true;
  };
}

const isSet = (option: unknown): boolean => option !== undefined && option !== null && option !== false;

/** Waits, unless the dispatcher is destroyed meanwhile. Errors after that go to the handler, because nobody else can catch them. */
function waitAndGoOn(
  waiting: WaitingDispatches,
  dispatcher: Dispatcher,
  handler: DispatchHandler,
  known: Promise<void>,
  goOn: () => void,
  isGone: () => void,
): void {
  let isOver = false;
  const proceed = (how: () => void): void => {
    if (isOver) return;
    isOver = true;
    waiting.remove(dispatcher, own);
    try {
      how();
    } catch (error) {
      fail(handler, error as Error);
    }
  };
  const until = known.then(
    () => proceed(goOn),
    () => proceed(goOn),
  );
  const own: WaitingDispatch = { until, abandon: (error) => proceed(error === undefined ? isGone : () => fail(handler, error)) };
  waiting.add(dispatcher, own);
}

/** Tells a handler, of any version, that its request has failed. */
function fail(handler: DispatchHandler, error: Error): void {
  if (typeof handler.onError === 'function') handler.onError(error);
  else handler.onResponseError?.(null, error);
}

/** Made outside any lane. Not decided: a destination may be known by the time it leaves its queue. */
const QUIET: Mark = Object.freeze({ origin: undefined, context: undefined, destination: undefined, addedHost: false, series: undefined });

/** A request that undici creates meanwhile, or from its queue, counts its outcome on `series`. */
function dispatchCounting(
  original: Dispatch,
  dispatcher: Dispatcher,
  options: DispatchOptions,
  handler: DispatchHandler,
  series: Series | undefined,
  { traffic }: Observers,
): boolean {
  if (traffic === undefined) return Reflect.apply(original, dispatcher, [options, handler]);
  const before = traffic.dispatching;
  traffic.dispatching = series;
  try {
    return Reflect.apply(original, dispatcher, [options, handler]);
  } finally {
    traffic.dispatching = before;
  }
}

function prepareOptions(
  options: DispatchOptions,
  target: Target,
  redirect: Redirect | undefined,
  series: Series | undefined,
  outbound: Outbound,
): DispatchOptions {
  const { context, origin } = target;
  // Until its own mark is made.
  const prepared: DispatchOptions = copyWith(options, MARK, QUIET);
  let headers: CopiedHeaders | undefined;
  let addedHost = false;
  // It named a destination that the request does not have.
  if (options[MARK]?.addedHost === true) (headers = copyHeaders(prepared.headers)).remove('host');
  if (redirect !== undefined && origin !== undefined) {
    const { ip, port } = redirect.instance;
    prepared.origin = `${origin.protocol}//${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
    if (redirect.byName) {
      headers ??= copyHeaders(prepared.headers);
      addedHost = headers.get('host') === undefined;
      if (addedHost) headers.set('host', origin.authority);
    }
  } else if (target.fixed && origin !== undefined && options.origin !== undefined) {
    // The real destination: undici 5 and 6 report the origin in the options.
    prepared.origin = `${origin.protocol}//${origin.authority}`;
  }
  // If the destination is still unknown, whoever learns it will write.
  if (context !== undefined && (context.tag === undefined || origin !== undefined)) {
    headers ??= copyHeaders(prepared.headers);
    carryLane(context, outbound, headers, origin?.host, options.path);
  }
  if (headers !== undefined) prepared.headers = headers.toHeaders();
  const destination = redirect === undefined ? origin : originOf(prepared.origin);
  prepared[MARK] = { origin: prepared.origin, context, destination, addedHost, series };
  return prepared;
}
