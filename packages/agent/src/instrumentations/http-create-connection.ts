/**
 * Requests of node:http and node:https with a `createConnection` of their own and no agent, as ws makes its handshakes: they
 * never ask an agent for a socket, so their destination is changed in the options that `createConnection` is given.
 *
 * The one place where `http.request` itself has to be wrapped. ES modules' named imports see it too.
 * Limit: `request` of node:https that has been taken by name before the agent is told that https is there: destructured in the
 * file that loads it first.
 */
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { onBuiltinLoaded } from '../patching/builtin-hook.js';
import { toRightInstance, type CreateConnection, type OnChosen } from '../outbound/http/create-connection.js';
import type { Outbound } from '../outbound/outbound.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface RequestOptions {
  agent?: unknown;
  createConnection?: CreateConnection;
}

export function install(outbound: Outbound): void {
  wrapModule(http, false, outbound);
  onBuiltinLoaded('https', () => wrapModule(require('node:https') as object, true, outbound));
}

/** A request whose connection is asked for before there is a request; or later, where a service has to be waited for. */
interface OwnCall {
  request: (http.ClientRequest & { readonly agent?: unknown }) | undefined;
  chosen: Parameters<OnChosen> | undefined;
}

function wrapModule(module: object, tls: boolean, outbound: Outbound): void {
  const prepare = safely('http-create-connection', (args: unknown[]) => withOwnConnection(args, tls, outbound, count));
  const count = safely('http-create-connection traffic', ({ request, chosen }: OwnCall) => {
    // agent: false is an agent, too, which has been asked.
    if (request === undefined || chosen === undefined || (request.agent !== undefined && request.agent !== null)) return;
    const [{ host = 'localhost', port }, tag, verdict] = chosen;
    const { traffic } = outbound.observers;
    if (verdict.kind === 'unavailable') {
      // Such a request has an error, and no end.
      const series = traffic?.call(host, Number(port), tag, verdict);
      if (series !== undefined) series.errors++;
    } else traffic?.follow(request, host, Number(port), tag, verdict);
  });
  for (const method of ['request', 'get']) {
    wrap(module, method, (original) => {
      return function request(this: unknown, ...args: unknown[]): unknown {
        const own = outbound.router.isEmpty && outbound.observers.traffic === undefined ? undefined : prepare(args);
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

/** Changes the arguments where the request has a connection of its own. */
function withOwnConnection(args: unknown[], tls: boolean, outbound: Outbound, count: (own: OwnCall) => void): OwnCall | undefined {
  const at = typeof args[0] === 'string' || args[0] instanceof URL ? 1 : 0;
  const options = args[at] as RequestOptions | null | undefined;
  if (typeof options !== 'object' || options === null || typeof options.createConnection !== 'function') return undefined;
  // With an agent it is the agent that is asked, and its addRequest has been patched.
  if (options.agent !== undefined && options.agent !== null && options.agent !== false) return undefined;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(options) as object | null), options) as RequestOptions;
  const own: OwnCall = { request: undefined, chosen: undefined };
  copy.createConnection = toRightInstance(options.createConnection, tls, outbound, (...chosen) => {
    own.chosen = chosen;
    count(own);
  });
  args[at] = copy;
  return own;
}
