/**
 * Keeps our own calls out of traces: their URLs and headers would be in the app's spans.
 *
 * Tracers wrap `http.request` and `http.get` (OpenTelemetry, dd-trace, Elastic), which we bypass; and
 * they use Node's diagnostics channels, for which OpenTelemetry has a key in its context.
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

/** Runs something, and everything that follows from it, without OpenTelemetry spans. Returns the result of `run`. */
export function untraced<T>(run: () => T): T {
  const manager = (globalThis as { [API]?: { context?: ContextManager } })[API]?.context;
  return manager === undefined ? run() : manager.with(manager.active().setValue(SUPPRESS_TRACING, true), run);
}

/** Like `http.request` and `https.request` for these options, without their wrappers. `options.agent` must be one of the protocol's. */
export function openRequest(options: RequestOptions): ClientRequest {
  const { ClientRequest } = require('node:http') as typeof import('node:http');
  return untraced(() => new ClientRequest(options));
}
