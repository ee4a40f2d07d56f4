/** q settles promises from a queue of its own, in the lane of whoever filled it first: handlers are bound as they are given. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  bindArguments((exports as { makePromise: { prototype: object } }).makePromise.prototype, 'then');
}
