/**
 * amqp-connection-manager keeps messages while its channel is down, and publishes them all once it is up, in the lane of whoever opened
 * it. Their options record the lane in which they were handed in; amqplib publishes them there.
 */
import { currentContext, laneContext } from '@lane/core/model';
import { sentIn } from '../messages/sent-in.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { wrap } from '../patching/wrap.js';

/** Position of the options. */
const METHODS = [
  ['publish', 3],
  ['sendToQueue', 2],
] as const;

export function patch({ exports }: LoadedFile): void {
  const { ChannelWrapper, default: wrapper } = exports as Partial<Record<'ChannelWrapper' | 'default', { prototype: object }>>;
  const { prototype } = (wrapper ?? ChannelWrapper) as { prototype: object };
  for (const [method, at] of METHODS) {
    wrap(prototype, method, (original) => {
      return function queued(this: unknown, ...args: unknown[]): unknown {
        args[at] = sentIn(currentContext() ?? laneContext(undefined), args[at] as object | undefined);
        return Reflect.apply(original, this, args);
      };
    });
  }
}
