/**
 * Reports when somebody has loaded a builtin module of Node, so that the agent need not load it itself (http2
 * costs 5 to 15 ms, https 2). `process.moduleLoadList` grows with each one (Node 20 to 26); we check it after each CommonJS
 * file, once after start, and when a socket connects, which is before any use that matters.
 */
import { onEachFile } from './module-hook.js';
import { safely } from './safely.js';
import { beforeSocketConnects } from './socket-hook.js';

type Builtin = 'http2' | 'https';

const listeners = new Map<string, Array<() => void>>();
let loaded: readonly string[] = [];
let seen = 0;

/** Calls `listener` once that builtin has been loaded; at once if it has been. */
export function onBuiltinLoaded(name: Builtin, listener: () => void): void {
  const entry = `NativeModule ${name}`;
  if (listeners.size === 0) install();
  if (loaded.includes(entry)) {
    listener();
    return;
  }
  listeners.set(entry, [...(listeners.get(entry) ?? []), listener]);
}

function install(): void {
  loaded = (process as unknown as { moduleLoadList?: readonly string[] }).moduleLoadList ?? [];
  seen = loaded.length;
  const look = safely('builtin', lookForNew);
  onEachFile(look);
  setImmediate(look).unref();
  beforeSocketConnects(() => {
    if (loaded.length !== seen) look();
    return undefined;
  });
}

function lookForNew(): void {
  for (; seen < loaded.length; seen++) {
    const entry = loaded[seen] as string;
    const waiting = listeners.get(entry);
    if (waiting === undefined) continue;
    listeners.delete(entry);
    for (const listener of waiting) listener();
  }
}
