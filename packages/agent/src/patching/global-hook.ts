/**
 * Reports when somebody has replaced a global of Node's, such as the `Promise` of zone.js, from any file or
 * bundle. Checks after each CommonJS file, as a server starts listening, and when a socket connects: before any request.
 */
import { onListening } from '../inbound/server-events.js';
import { onEachFile } from './module-hook.js';
import { safely } from './safely.js';
import { beforeSocketConnects } from './socket-hook.js';

type Globals = Record<string, unknown>;

interface Watched {
  readonly name: string;
  last: unknown;
  readonly listener: (value: unknown) => void;
}

const watched: Watched[] = [];

/** Calls `listener` with each new value of the global `name`, soon after it is there. */
export function onGlobalReplaced(name: string, listener: (value: unknown) => void): void {
  watched.push({ name, last: (globalThis as unknown as Globals)[name], listener: safely('global', listener) });
  if (watched.length > 1) return;
  onEachFile(look);
  onListening(look);
  beforeSocketConnects(look);
}

function look(): undefined {
  for (const each of watched) {
    const value = (globalThis as unknown as Globals)[each.name];
    if (value === each.last) continue;
    each.last = value;
    each.listener(value);
  }
}
