/**
 * Clients of @grpc/grpc-js. A channel's `createCall` runs in the caller's context; later, calls wait for the connection and are
 * sent and answered in somebody else's. So lane and destination are fixed there: a call that its channel would take to the
 * wrong instance is made on a channel of our own beside it, with the same credentials and options.
 * Limit: waitForReady of a channel to a service name, which DNS does not know, waits in vain.
 */
import { bindLane, currentContext, enterContext, hasEnteredLane, laneContext, LaneUnavailableError, writeLane } from '@lane/core/model';
import type { Series } from '@lane/core/agent';
import type { Destination } from '../outbound/destination.js';
import { deferredCall, failedCall, type Call, type Metadata } from '../outbound/grpc/calls.js';
import { createSiblings, targetOf, type Channel } from '../outbound/grpc/siblings.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import type { Runtime } from '../boot/runtime.js';
import { safely } from '../patching/safely.js';
import { isFailedGrpcCode, type TrafficRecorder } from '../observe/traffic/recorder.js';
import { wrap } from '../patching/wrap.js';

type CreateCall = (this: Channel, ...args: unknown[]) => Call;

export function patch({ exports, runtime }: LoadedFile): void {
  const { ChannelImplementation } = exports as { ChannelImplementation: new (...args: never[]) => Channel };
  const siblings = createSiblings(ChannelImplementation as never);
  wrap(ChannelImplementation.prototype as object, 'createCall', (original) => createCallInLane(original as never, siblings, runtime));
  wrap(ChannelImplementation.prototype as object, 'close', (original) => {
    return function close(this: Channel, ...args: never[]): unknown {
      siblings.close(this);
      return Reflect.apply(original, this, args);
    };
  });
}

function createCallInLane(original: CreateCall, siblings: ReturnType<typeof createSiblings>, runtime: Runtime): CreateCall {
  const { destinations } = runtime;
  const choose = safely('grpc-client destination', (channel: Channel, retry: boolean): Destination => {
    const target = destinations.isEmpty ? undefined : targetOf(channel);
    return target === undefined ? undefined : destinations.choose(target.host, target.port, currentContext()?.tag, retry);
  });
  const beside = safely('grpc-client sibling', siblings.of);
  const inLane = safely('grpc-client call', (call: Call, channel: Channel) => callInLane(call, targetOf(channel)?.host, runtime));

  const count = safely('grpc-client traffic', (traffic: TrafficRecorder, channel: Channel, destination: Exclude<Destination, Promise<void>>) => {
    const target = targetOf(channel);
    return target === undefined ? undefined : traffic.call(target.host, target.port, currentContext()?.tag, destination);
  });

  return function createCall(this: Channel, ...args: unknown[]): Call {
    if (siblings.has(this)) return original.apply(this, args);
    const proceed = (destination: Exclude<Destination, Promise<void>>): Call => {
      const series = runtime.traffic === undefined ? undefined : count(runtime.traffic, this, destination);
      if (destination instanceof LaneUnavailableError) {
        if (series !== undefined) series.errors++;
        return failedCall(destination);
      }
      const channel = (destination === undefined ? undefined : beside(this, destination)) ?? this;
      const call = original.apply(channel, args);
      if (series !== undefined) countStatus(call, series);
      return (hasEnteredLane() ? inLane(call, this) : undefined) ?? call;
    };
    const destination = choose(this, false);
    if (!(destination instanceof Promise)) return proceed(destination);
    const resume = bindLane(() => proceed(choose(this, true) as Exclude<Destination, Promise<void>>));
    return deferredCall(destination.then(resume, resume));
  };
}

/** Counts a call that ends with a failure of the server. */
function countStatus(call: Call, series: Series): void {
  const start = call.start.bind(call);
  call.start = (metadata: Metadata, listener: Record<string, (...args: never[]) => unknown>): unknown =>
    start(metadata, {
      ...Object.fromEntries(LISTENED.map((name) => [name, (listener[name] as () => unknown).bind(listener)])),
      onReceiveStatus: (status: { code: number }) => {
        if (isFailedGrpcCode(status.code)) series.errors++;
        return (listener['onReceiveStatus'] as (status: unknown) => unknown)(status);
      },
    });
}

const LISTENED = ['onReceiveMetadata', 'onReceiveMessage', 'onReceiveStatus'] as const;

/** A call that is started with the lane in its metadata, and whose listener is called in the lane. */
function callInLane(call: Call, host: string | undefined, runtime: Runtime): Call {
  const context = currentContext();
  const start = call.start.bind(call);
  call.start = (given: Metadata, listener: Record<string, (...args: never[]) => unknown>): unknown => {
    let metadata = given;
    if (context !== undefined && (context.tag === undefined || host === undefined || runtime.propagation.allows(host))) {
      metadata = given.clone();
      writeLane(context, runtime.codec, {
        get: (name) => {
          const values = metadata.get(name).map(String);
          return values.length === 0 ? undefined : values;
        },
        set: (name, value) => metadata.set(name, value),
        remove: (name) => metadata.remove(name),
      });
    }
    return enterContext(context ?? laneContext(undefined), start, call, [
      metadata,
      Object.fromEntries(LISTENED.map((name) => [name, bindLane((listener[name] as () => unknown).bind(listener))])),
    ]);
  };
  return call;
}
