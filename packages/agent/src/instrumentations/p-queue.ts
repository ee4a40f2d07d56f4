/** p-queue runs a task when another one's is done: tasks are bound to the lane in which they were added. An ES module. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  bindArguments((exports as { PQueue: { prototype: object } }).PQueue.prototype, 'add');
}
