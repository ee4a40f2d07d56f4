/** q settles promises from its own queue, in the lane of whoever filled it first, so handlers are bound as they are passed. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  bindArguments((exports as { makePromise: { prototype: object } }).makePromise.prototype, 'then');
}
