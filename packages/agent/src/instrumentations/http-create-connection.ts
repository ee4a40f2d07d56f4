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
import { onBuiltinLoaded } from '../builtin-hook.js';
import { toRightInstance, type CreateConnection } from '../http/create-connection.js';
import type { Runtime } from '../runtime.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

interface RequestOptions {
  agent?: unknown;
  createConnection?: CreateConnection;
}

export function install(runtime: Runtime): void {
  wrapModule(http, false, runtime);
  onBuiltinLoaded('https', () => wrapModule(require('node:https') as object, true, runtime));
}

function wrapModule(module: object, tls: boolean, runtime: Runtime): void {
  const prepare = safely('http-create-connection', (args: unknown[]) => withOwnConnection(args, tls, runtime));
  for (const method of ['request', 'get']) {
    wrap(module, method, (original) => {
      return function request(this: unknown, ...args: unknown[]): unknown {
        if (!runtime.destinations.isEmpty) prepare(args);
        return Reflect.apply(original, this, args as never);
      };
    });
  }
  syncBuiltinESMExports();
}

function withOwnConnection(args: unknown[], tls: boolean, runtime: Runtime): void {
  const at = typeof args[0] === 'string' || args[0] instanceof URL ? 1 : 0;
  const options = args[at] as RequestOptions | null | undefined;
  if (typeof options !== 'object' || options === null || typeof options.createConnection !== 'function') return;
  // With an agent it is the agent that is asked, and its addRequest has been patched.
  if (options.agent !== undefined && options.agent !== null && options.agent !== false) return;
  const copy = Object.assign(Object.create(Object.getPrototypeOf(options) as object | null), options) as RequestOptions;
  copy.createConnection = toRightInstance(options.createConnection, tls, runtime);
  args[at] = copy;
}
