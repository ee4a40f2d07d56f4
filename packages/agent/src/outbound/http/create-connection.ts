import { currentContext, LaneUnavailableError, type Tag } from '@lane/core/model';
import type { Destination, Redirected } from '../destination.js';
import type { Runtime } from '../../boot/runtime.js';
import { safely } from '../../patching/safely.js';

/** What `createConnection` is given. */
export interface ConnectOptions {
  host?: string;
  port?: number | string;
  servername?: string;
}
type Connected = (error: Error | null, socket?: unknown) => void;
export type CreateConnection = (this: unknown, options: ConnectOptions, connected: Connected) => unknown;

/** Told where a connection goes, once that is known. */
export type OnChosen = (options: ConnectOptions, tag: Tag | undefined, destination: Exclude<Destination, Promise<void>>) => void;

/** A `createConnection` that connects to the right instance for the lane at hand. */
export function toRightInstance(original: CreateConnection, tls: boolean, runtime: Runtime, onChosen: OnChosen): CreateConnection {
  const tag = currentContext()?.tag;
  const choose = safely('http-create-connection destination', (options: ConnectOptions, retry: boolean): Destination =>
    typeof options?.host === 'string' ? runtime.destinations.choose(options.host, Number(options.port), tag, retry) : undefined,
  );
  return function createConnection(this: unknown, options: ConnectOptions, connected: Connected): unknown {
    const go = (destination: Exclude<Destination, Promise<void>>): unknown => {
      onChosen(options, tag, destination);
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
