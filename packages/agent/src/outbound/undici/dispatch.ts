import { LaneUnavailableError, writeLane } from '@lane/core/model';
import type { Series } from '@lane/core/agent';
import type { Destination, Redirected } from '../destination.js';
import { copyHeaders } from '../header-forms.js';
import type { Runtime } from '../../boot/runtime.js';
import type { TrafficRecorder } from '../../observe/traffic/recorder.js';
import { safely } from '../../patching/safely.js';
import { handlerInLane } from './handler.js';
import { keepOneBaggageLine } from './one-baggage-line.js';
import { createSubstitutes, type Substitutes } from './substitutes.js';
import { createTargetReader, type Target } from './target.js';
import { MARK, type AgentClass, type Dispatch, type Dispatcher, type DispatchHandler, type DispatchOptions } from './types.js';
import { wrap } from '../../patching/wrap.js';

/** Patches DispatcherBase.prototype of one copy of undici. */
export function patchDispatcherBase(prototype: object, runtime: Runtime, agentClass: () => AgentClass): void {
  keepOneBaggageLine(runtime);
  const substitutes = createSubstitutes(agentClass);
  wrap(prototype, 'dispatch', (original) => dispatchInLane(original as never, runtime, substitutes));
  for (const method of ['close', 'destroy']) {
    wrap(prototype, method, (original) => {
      return function closed(this: Dispatcher, ...args: never[]): unknown {
        substitutes.close(this);
        return Reflect.apply(original, this, args);
      };
    });
  }
}

type Settled = Exclude<Destination, Promise<void>>;

function dispatchInLane(original: Dispatch, runtime: Runtime, substitutes: Substitutes): Dispatch {
  const { destinations } = runtime;
  const targetOf = safely('undici', createTargetReader());
  const choose = safely('undici destination', ({ origin, context }: Target, retry: boolean): Destination =>
    origin === undefined || destinations.isEmpty ? undefined : destinations.choose(origin.host, origin.port, context?.tag, retry),
  );
  const explain = safely('undici route', ({ origin, context }: Target, destination: Destination) =>
    origin === undefined ? undefined : destinations.explain(origin.host, origin.port, context?.tag, destination),
  );
  const count = safely('undici traffic', (traffic: TrafficRecorder, { origin, context }: Target, destination: Settled) =>
    origin === undefined ? undefined : traffic.call(origin.host, origin.port, context?.tag, destination),
  );
  const prepare = safely('undici headers', prepareOptions);
  const inLane = safely('undici handler', handlerInLane);
  const substitute = safely('undici substitute', substitutes.of);

  function proceed(dispatcher: Dispatcher, options: DispatchOptions, handler: DispatchHandler, target: Target, destination: Settled): boolean {
    const series = runtime.traffic === undefined ? undefined : count(runtime.traffic, target, destination);
    if (destination instanceof LaneUnavailableError) {
      if (series !== undefined) series.errors++;
      if (typeof handler.onError === 'function') handler.onError(destination);
      else handler.onResponseError?.(null, destination);
      return true;
    }
    const through = destination !== undefined && target.fixed ? substitute(dispatcher) : dispatcher;
    const prepared = prepare(options, target, through === undefined ? undefined : destination, series, runtime) ?? options;
    const dispatched = (): boolean =>
      dispatchCounting(original, through ?? dispatcher, prepared, inLane(handler, target.context) ?? handler, series, runtime);
    const writable = runtime.routes === undefined ? dispatched() : runtime.routes.during(explain(target, destination), dispatched);
    // Who is told to wait waits for `drain` of the dispatcher that was asked, and a substitute's does not reach there.
    return writable || (through !== undefined && through !== dispatcher);
  }

  return function dispatch(this: Dispatcher, options: DispatchOptions, handler: DispatchHandler): boolean {
    // Been here, unless a redirect has since given it another origin.
    const mark = options?.[MARK];
    if (mark?.decided && (mark.origin === options.origin || options.origin === undefined))
      return dispatchCounting(original, this, options, handler, mark.series, runtime);
    const target = targetOf(this, options);
    if (target === undefined) return Reflect.apply(original, this, [options, handler]);
    const destination = choose(target, false);
    if (destination instanceof Promise) {
      const resume = (): void => void proceed(this, options, handler, target, choose(target, true) as Settled);
      void destination.then(resume, resume);
      return true;
    }
    return proceed(this, options, handler, target, destination);
  };
}

/** The request that undici makes meanwhile, or from its queue, counts its outcome on `series`. */
function dispatchCounting(
  original: Dispatch,
  dispatcher: Dispatcher,
  options: DispatchOptions,
  handler: DispatchHandler,
  series: Series | undefined,
  { traffic }: Runtime,
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
  redirect: Redirected | undefined,
  series: Series | undefined,
  runtime: Runtime,
): DispatchOptions {
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
  prepared[MARK] = { origin: prepared.origin, context, decided: origin !== undefined, series };
  if (context !== undefined && (context.tag === undefined || origin === undefined || runtime.propagation.allows(origin.host))) {
    const headers = copyHeaders(prepared.headers);
    writeLane(context, runtime.codec, headers);
    prepared.headers = headers.toHeaders();
  }
  return prepared;
}
