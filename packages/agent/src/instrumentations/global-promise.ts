/**
 * A global `Promise` that is not Node's, such as that of zone.js, settles from its own queue, in the lane of whoever filled it first,
 * so handlers are bound as they are passed. So are functions passed to such a library's `queueMicrotask`. This covers any library, bundled or not.
 */
import { bindArguments } from '../patching/bind-arguments.js';
import { onGlobalReplaced } from '../patching/global-hook.js';

export function install(): void {
  const native = Promise.prototype;
  onGlobalReplaced('Promise', (value) => {
    const { prototype } = value as { prototype: Partial<Record<'then' | 'finally', unknown>> };
    // A class derived from Node's needs nothing.
    if (prototype.then === native.then) return;
    bindArguments(prototype, 'then', 2);
    if (Object.hasOwn(prototype, 'finally')) bindArguments(prototype, 'finally', 1);
  });
  onGlobalReplaced('queueMicrotask', () => bindArguments(globalThis, 'queueMicrotask', 1));
}
