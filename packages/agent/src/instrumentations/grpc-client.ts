/**
 * Clients of @grpc/grpc-js. A channel's `createCall` runs in the caller's context; later, calls wait for the connection and are
 * sent and answered in somebody else's. So lane and destination are fixed there: a call that its channel would take to the
 * wrong instance is made on a channel of our own beside it, with the same credentials and options.
 * Limit: waitForReady of a channel to a service name, which DNS does not know, waits in vain.
 */
import { bindLane, currentContext, enterContext, hasEnteredLane, laneContext, writeLane, type SettledVerdict, type Verdict } from '@lane/core/model';
import type { Series } from '@lane/core/agent';
import { deferredCall, failedCall, type Call, type Metadata } from '../outbound/grpc/calls.js';
import { createSiblings, targetOf, type Channel } from '../outbound/grpc/siblings.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { settled, unavailableError, type Outbound } from '../outbound/outbound.js';
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

function createCallInLane(original: CreateCall, siblings: ReturnType<typeof createSiblings>, outbound: Outbound): CreateCall {
  const { router, observers } = outbound;
  const judge = safely('grpc-client destination', (channel: Channel, waited: boolean): Verdict | undefined => {
    const target = router.isEmpty ? undefined : targetOf(channel);
    return target === undefined ? undefined : router.judge(target.host, target.port, currentContext()?.tag, waited);
  });
  const beside = safely('grpc-client sibling', siblings.of);
  const inLane = safely('grpc-client call', (call: Call, channel: Channel) => callInLane(call, targetOf(channel)?.host, outbound));

  const count = safely('grpc-client traffic', (traffic: TrafficRecorder, channel: Channel, verdict: SettledVerdict) => {
    const target = targetOf(channel);
    return target === undefined ? undefined : traffic.call(target.host, target.port, currentContext()?.tag, verdict);
  });

  return function createCall(this: Channel, ...args: unknown[]): Call {
    if (siblings.has(this)) return original.apply(this, args);
    const proceed = (verdict: SettledVerdict): Call => {
      const series = observers.traffic === undefined ? undefined : count(observers.traffic, this, verdict);
      if (verdict.kind === 'unavailable') {
        if (series !== undefined) series.errors++;
        return failedCall(unavailableError(verdict));
      }
      const channel = (verdict.kind === 'redirect' ? beside(this, verdict) : undefined) ?? this;
      const call = original.apply(channel, args);
      if (series !== undefined) countStatus(call, series);
      return (hasEnteredLane() ? inLane(call, this) : undefined) ?? call;
    };
    const verdict = judge(this, false);
    if (verdict?.kind !== 'wait') return proceed(settled(verdict));
    const resume = bindLane(() => proceed(settled(judge(this, true))));
    return deferredCall(verdict.until.then(resume, resume));
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
function callInLane(call: Call, host: string | undefined, outbound: Outbound): Call {
  const context = currentContext();
  const start = call.start.bind(call);
  call.start = (given: Metadata, listener: Record<string, (...args: never[]) => unknown>): unknown => {
    let metadata = given;
    if (context !== undefined && (context.tag === undefined || host === undefined || outbound.propagation.allows(host))) {
      metadata = given.clone();
      writeLane(context, outbound.codec, {
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
