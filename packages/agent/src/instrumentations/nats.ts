/**
 * nats, and @nats-io/transport-node with its core: the tag goes in the message's headers; callbacks of subscriptions run in the lane of their
 * message.
 * Limit: a `for await` loop over a subscription runs in the lane in which it was started, because nobody calls it.
 */
import { currentContext, writeLane } from '@lane/core/model';
import type { LoadedFile } from '../patching/instrumentation.js';
import type { Protocol, Subscription } from '../messages/isolation/nats.js';
import { handleInLane, laneOfMessage, type MessageHeaders } from '../messages/messages.js';
import { copyWith } from '../patching/copy-with.js';
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

interface Headers {
  [Symbol.iterator](): Iterator<[name: string, values: string[]]>;
  values(name: string): string[];
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  delete(name: string): void;
}
interface Options {
  headers?: Headers;
}
type Callback = (error: unknown, message: { headers?: Headers }) => unknown;

/** Of the most recently loaded copy of nats; its protocol is loaded after it. */
let newHeaders: (() => Headers) | undefined;

export function patch({ exports, file, runtime }: LoadedFile): void {
  if (file.endsWith('headers.js')) {
    newHeaders = (exports as { headers: () => Headers }).headers;
    return;
  }
  const make = newHeaders as () => Headers;
  const { prototype } = (exports as { ProtocolHandler: { prototype: object } }).ProtocolHandler;
  const withLane = safely('nats', (options: Options | undefined): Options | undefined => {
    const context = currentContext();
    if (context === undefined || (context.tag === undefined && options?.headers === undefined)) return options;
    const headers = make();
    for (const [name, values] of options?.headers ?? []) for (const value of values) headers.append(name, value);
    writeLane(context, runtime.codec, {
      areAttachments: true,
      get: (name) => linesOf(headers, name),
      set: (name, value) => headers.set(name, value),
      remove: (name) => headers.delete(name),
    });
    return copyWith(options, 'headers', headers);
  });
  const laneOf = safely('nats', ({ headers }: { headers?: Headers }) => {
    if (headers === undefined) return laneOfMessage(undefined, runtime);
    const byName: MessageHeaders = {};
    for (const [name, values] of headers) byName[name.toLowerCase()] = values;
    return laneOfMessage(byName, runtime);
  });
  const isolate = safely('nats isolation', (subscription: Subscription, protocol: Protocol) =>
    (require('../messages/isolation/nats.js') as typeof import('../messages/isolation/nats.js')).isolateSubscription(subscription, protocol, runtime),
  );
  wrap(prototype, 'publish', (original) => {
    return function publish(this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(original, this, [args[0], args[1], withLane(args[2] as Options) ?? args[2]]);
    };
  });
  wrap(prototype, 'subscribe', (original) => {
    return function subscribe(this: unknown, ...args: unknown[]): unknown {
      const subscription = args[0] as Subscription;
      const takes = runtime.isolates ? isolate(subscription, this as Protocol) : undefined;
      wrap(subscription, 'callback', (callback: Callback) => {
        return function called(this: unknown, error: unknown, message: { headers?: Headers }): unknown {
          const context = message === undefined || message === null ? undefined : laneOf(message);
          if (context === undefined) return callback.call(this, error, message);
          const handle = (): unknown => handleInLane(context, callback, this, [error, message]);
          return takes === undefined ? handle() : takes(context.tag, handle);
        };
      });
      return Reflect.apply(original, this, args);
    };
  });
}

function linesOf(headers: Headers, name: string): string[] | undefined {
  const values = headers.values(name);
  return values.length === 0 ? undefined : values;
}
