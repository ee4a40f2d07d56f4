/**
 * Requests of node:http and node:https with their own `createConnection` and no agent, such as the handshakes of ws. They
 * never ask an agent for a socket, so their destination is changed in the options passed to `createConnection`.
 *
 * The one place where `http.request` itself has to be wrapped. ES modules' named imports see it too.
 * Limit: a `request` of node:https taken by name before the agent notices that https is loaded: destructured in the
 * file that loads it first, or called at once by the first ES module that imports it.
 */
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import type { LateRuntime } from '../boot/late-runtime.js';
import type { CreateConnection, OnChosen } from '../outbound/http/create-connection.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface RequestOptions {
  agent?: unknown;
  createConnection?: CreateConnection;
}

export function install(late: LateRuntime): void {
  wrapModule(http, false, late);
  onBuiltinLoaded('https', () => wrapModule(require('node:https') as object, true, late));
}

/** A request whose connection is requested before the request exists; or later, if a service has to be waited for. */
interface OwnCall {
  request: (http.ClientRequest & { readonly agent?: unknown }) | undefined;
  chosen: Parameters<OnChosen> | undefined;
}

function wrapModule(module: object, tls: boolean, late: LateRuntime): void {
  const prepare = safely('http-create-connection', (args: unknown[]) => withOwnConnection(args, tls, late, count));
  const count = safely('http-create-connection traffic', ({ request, chosen }: OwnCall) => {
    // agent: false makes an agent, too, which has been asked.
    if (request === undefined || chosen === undefined || (request.agent !== undefined && request.agent !== null)) return;
    const [{ host = 'localhost', port }, tag, verdict] = chosen;
    const { traffic } = late.get().observers;
    if (verdict.kind === 'unavailable') {
      // Such a request has an error, and no end.
      const series = traffic?.call(host, Number(port), tag, verdict);
      if (series !== undefined) series.errors++;
    } else traffic?.follow(request, host, Number(port), tag, verdict);
  });
  const make = safely('http-create-connection', () => late.get());
  for (const method of ['request', 'get']) {
    wrap(module, method, (original) => {
      return function request(this: unknown, ...args: unknown[]): unknown {
        const outbound = late.made ?? make();
        const isNeedless = outbound === undefined || (outbound.router.isEmpty && outbound.observers.traffic === undefined);
        const own = isNeedless ? undefined : prepare(args);
        const made = Reflect.apply(original, this, args) as unknown;
        if (own !== undefined) {
          own.request = made as http.ClientRequest;
          count(own);
        }
        return made;
      };
    });
  }
  syncBuiltinESMExports();
}

/** Changes the arguments if the request has its own connection. */
function withOwnConnection(args: unknown[], tls: boolean, late: LateRuntime, count: (own: OwnCall) => void): OwnCall | undefined {
  const at = typeof args[0] === 'string' || args[0] instanceof URL ? 1 : 0;
  const options = args[at] as RequestOptions | null | undefined;
  if (typeof options !== 'object' || options === null || typeof options.createConnection !== 'function') return undefined;
  // With an agent, its patched addRequest decides.
  if (options.agent !== undefined && options.agent !== null && options.agent !== false) return undefined;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(options) as object | null), options) as RequestOptions;
  const own: OwnCall = { request: undefined, chosen: undefined };
  const { toRightInstance } = require('../outbound/http/create-connection.js') as typeof import('../outbound/http/create-connection.js');
  copy.createConnection = toRightInstance(options.createConnection, tls, late.get(), (...chosen) => {
    own.chosen = chosen;
    count(own);
  });
  args[at] = copy;
  return own;
}
