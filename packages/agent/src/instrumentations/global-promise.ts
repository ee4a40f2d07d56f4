/**
 * A global `Promise` that is not Node's, as zone.js puts there, settles from a queue of its own, in the lane of whoever filled it first:
 * handlers are bound as they are given. So is what such a library's `queueMicrotask` is given. Whichever library it is, bundled or not.
 */
import { bindArguments } from '../patching/bind-arguments.js';
import { onGlobalReplaced } from '../patching/global-hook.js';

export function install(): void {
  const native = Promise.prototype;
  onGlobalReplaced('Promise', (value) => {
    const { prototype } = value as { prototype: Partial<Record<'then' | 'finally', unknown>> };
    // One that has derived its own from Node's is right by itself.
    if (prototype.then === native.then) return;
    bindArguments(prototype, 'then', 2);
    if (Object.hasOwn(prototype, 'finally')) bindArguments(prototype, 'finally', 1);
  });
  onGlobalReplaced('queueMicrotask', () => bindArguments(globalThis, 'queueMicrotask', 1));
}
