/**
 * ioredis. Data from a connection belongs to no request: a subscriber made in a request, or a connection opened by its
 * command, would keep its lane for ever. Commands call back in the lane of their caller by themselves.
 */
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  const { default: Redis = exports } = exports as { default?: unknown };
  startInBackground((Redis as { prototype: object }).prototype, 'connect');
}
