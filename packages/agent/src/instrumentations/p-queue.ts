/** p-queue runs a task when another one's is done: tasks are bound to the lane in which they were added. An ES module since 7. */
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  const { PQueue, default: PQueue6 } = exports as Record<'PQueue' | 'default', { prototype: object } | undefined>;
  const { prototype } = (PQueue ?? PQueue6) as { prototype: object };
  bindArguments(prototype, 'add');
}
