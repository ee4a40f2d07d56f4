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
import { currentContext, LaneUnavailableError } from '@lane/core';
import { onBuiltinLoaded } from '../builtin-hook.js';
import type { Destination, Redirected } from '../destination.js';
import type { Runtime } from '../runtime.js';
import { safely } from '../safely.js';
import { wrap } from '../wrap.js';

interface ConnectOptions {
  host?: string;
  port?: number | string;
  servername?: string;
}
type Connected = (error: Error | null, socket?: unknown) => void;
type CreateConnection = (this: unknown, options: ConnectOptions, connected: Connected) => unknown;
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

function toRightInstance(original: CreateConnection, tls: boolean, runtime: Runtime): CreateConnection {
  const tag = currentContext()?.tag;
  const choose = safely('http-create-connection destination', (options: ConnectOptions, retry: boolean): Destination =>
    typeof options?.host === 'string' ? runtime.destinations.choose(options.host, Number(options.port), tag, retry) : undefined,
  );
  return function createConnection(this: unknown, options: ConnectOptions, connected: Connected): unknown {
    const go = (destination: Exclude<Destination, Promise<void>>): unknown => {
      if (destination instanceof LaneUnavailableError) {
        connected(destination);
        return undefined;
      }
      return original.call(this, destination === undefined ? options : addressed(options, destination, tls), connected);
    };
    const destination = choose(options, false);
    if (!(destination instanceof Promise)) return go(destination);
    const resume = (): void => {
      try {
        const socket = go(choose(options, true) as Exclude<Destination, Promise<void>>);
        if (socket !== undefined && socket !== null) connected(null, socket);
      } catch (error) {
        connected(error as Error);
      }
    };
    void destination.then(resume, resume);
    return undefined;
  };
}

function addressed(options: ConnectOptions, to: Redirected, tls: boolean): ConnectOptions {
  const { ip, port } = to.instance;
  const changed = { ...options, host: ip, port };
  // Called by name, TLS is verified against the name.
  if (tls && to.byName && (options.servername === undefined || options.servername === '')) changed.servername = options.host as string;
  return changed;
}
