/** Finds the app's OpenTelemetry meter provider, whether it is set up before the agent or after it. */
import type { MeterProvider } from './traffic/opentelemetry-metrics.js';

const API = Symbol.for('opentelemetry.js.api.1');
/** After this, no meter provider is expected. */
const LOOKS = 60;
const LOOK_MS = 1_000;

/** Calls `found` once there is a meter provider, outside the request path. */
export function whenMetered(found: (provider: MeterProvider) => void): void {
  const scope = globalThis as { [API]?: { readonly metrics?: MeterProvider } };
  let looks = 0;
  const look = (): void => {
    const provider = scope[API]?.metrics;
    if (provider !== undefined) found(provider);
    else if (looks++ < LOOKS) setTimeout(look, looks < 10 ? LOOK_MS / 10 : LOOK_MS).unref();
  };
  setImmediate(look).unref();
}
