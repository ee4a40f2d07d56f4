/**
 * mysql2. Commands wait in a connection's queue, and callers in the pool's; both are called back as packets arrive, in the lane of
 * an earlier command. So a command's callbacks and events are bound to the lane in which it was added. Promises
 * need nothing.
 */
import { bindLane } from '@lane/core/model';
import { bindArguments } from '../patching/bind-arguments.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

interface Command {
  onResult?: unknown;
  emit?: unknown;
}

export function patch({ exports, file }: LoadedFile): void {
  const { prototype } = exports as { prototype: object };
  if (file.endsWith('pool.js')) {
    bindArguments(prototype, 'getConnection');
    return;
  }
  wrap(prototype, 'addCommand', (original) => {
    return function addCommand(this: unknown, ...args: unknown[]): unknown {
      const command = args[0] as Command | null | undefined;
      if (typeof command === 'object' && command !== null) {
        if (typeof command.onResult === 'function') command.onResult = bindLane(command.onResult as () => unknown);
        if (typeof command.emit === 'function') command.emit = bindLane(command.emit as () => unknown);
      }
      return Reflect.apply(original, this, args);
    };
  });
}
