/**
 * ioredis. What comes over a connection belongs to nobody's request: a subscriber that is made in one, or a connection that a command of
 * one opens, would keep its lane for ever. Commands call back in the lane of their caller by themselves.
 */
import { startInBackground } from '../patching/in-background.js';
import type { LoadedFile } from '../patching/instrumentation.js';

export function patch({ exports }: LoadedFile): void {
  const { default: Redis = exports } = exports as { default?: unknown };
  startInBackground((Redis as { prototype: object }).prototype, 'connect');
}
