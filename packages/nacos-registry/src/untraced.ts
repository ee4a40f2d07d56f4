/**
 * Calls of our own are no part of any trace: their URLs and headers would be in the app's spans.
 *
 * Tracers come in by `http.request` and `http.get` (OpenTelemetry, dd-trace, Elastic: each wraps these two), which are gone around; and
 * by Node's diagnostics channels, for which OpenTelemetry has a key in its context.
 */
import type { ClientRequest, RequestOptions } from 'node:http';

/** Where OpenTelemetry's API keeps what has been registered, for all copies of itself (`@opentelemetry/api`, `internal/global-utils`). */
const API = Symbol.for('opentelemetry.js.api.1');
/** The key of `suppressTracing` in `@opentelemetry/core` (`trace/suppress-tracing`); contexts' keys are registered symbols. */
const SUPPRESS_TRACING = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

interface Context {
  setValue(key: symbol, value: unknown): Context;
}
interface ContextManager {
  active(): Context;
  with<T>(context: Context, run: () => T): T;
}

/** Runs something, and whatever follows from it, so that OpenTelemetry makes no spans of it, if it is there. Gives what `run` gives. */
export function untraced<T>(run: () => T): T {
  const manager = (globalThis as { [API]?: { context?: ContextManager } })[API]?.context;
  return manager === undefined ? run() : manager.with(manager.active().setValue(SUPPRESS_TRACING, true), run);
}

/** What `http.request` and `https.request` do for these options, past whoever has wrapped them. `options.agent` must be one of the protocol's. */
export function openRequest(options: RequestOptions): ClientRequest {
  const { ClientRequest } = require('node:http') as typeof import('node:http');
  return untraced(() => new ClientRequest(options));
}
