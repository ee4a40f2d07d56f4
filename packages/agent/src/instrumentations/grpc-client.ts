/**
 * Clients of @grpc/grpc-js. A channel's `createCall` runs in the caller's context; later, calls wait for the connection and are
 * sent and answered in somebody else's. So lane and destination are fixed there: if the channel would take a call to the
 * wrong instance, the call is made on a sibling channel of ours, with the same credentials and options.
 * Limit: waitForReady of a channel to a service name, which DNS does not know, never resolves.
 */
import { isIP } from 'node:net';
import {
  bindLane,
  currentContext,
  hasEnteredLane,
  resumeContext,
  type LaneContext,
  type OutboundHeaders,
  type SettledVerdict,
  type Verdict,
} from '@lane/core/model';
import type { Series } from '@lane/core/agent';
import { carryLane, type Reach } from '../outbound/carry-lane.js';
import { deferredCall, failedCall, UNAVAILABLE, type Call, type Metadata, type Status } from '../outbound/grpc/calls.js';
import { connectedChannel, hasFailed, isReady, READY } from '../outbound/grpc/connected.js';
import { createSiblings, reachOf, targetOf, type Channel, type ChannelClass } from '../outbound/grpc/siblings.js';
import type { Attempt } from '../outbound/connecting/connecting.js';
import type { LoadedFile } from '../patching/instrumentation.js';
import { settled, unavailableError, type Outbound } from '../outbound/outbound.js';
import { safely } from '../patching/safely.js';
import { isFailedGrpcCode, type TrafficRecorder } from '../observe/traffic/recorder.js';
import { wrap } from '../patching/wrap.js';

type CreateCall = (this: Channel, ...args: unknown[]) => Call;

export function patch({ exports, runtime }: LoadedFile): void {
  const { ChannelImplementation } = exports as { ChannelImplementation: ChannelClass };
  const siblings = createSiblings(ChannelImplementation);
  const waiting: WaitingCalls = new WeakMap();
  wrap(ChannelImplementation.prototype as object, 'createCall', (original: CreateCall) => createCallInLane(original, siblings, waiting, runtime));
  wrap(ChannelImplementation.prototype as object, 'close', (original) => {
    return function close(this: Channel, ...args: never[]): unknown {
      siblings.close(this);
      const result = Reflect.apply(original, this, args) as unknown;
      for (const end of waiting.get(this) ?? []) end();
      return result;
    };
  });
}

/** By channel, what ends its calls that are not made yet. */
type WaitingCalls = WeakMap<Channel, Set<() => void>>;

function createCallInLane(original: CreateCall, siblings: ReturnType<typeof createSiblings>, waiting: WaitingCalls, outbound: Outbound): CreateCall {
  const { router, connecting, observers, unresolved } = outbound;
  const judge = safely('grpc-client destination', (channel: Channel, waited: boolean): Verdict | undefined => {
    const target = router.isEmpty ? undefined : targetOf(channel);
    return target === undefined ? undefined : router.judge(target.host, target.port, currentContext()?.tag, waited);
  });
  const beside = safely('grpc-client sibling', siblings.of);
  const begin = safely('grpc-client tries', (channel: Channel, verdict: SettledVerdict): Attempt | undefined => {
    if (verdict.kind === 'redirect') return connecting.begin(verdict);
    if (verdict.kind !== 'as-is') return undefined;
    // Before 1.13 it creates sessions before their sockets are connected, and goes by the channel's target, not by a session's address.
    if (!('_createSecureConnector' in channel.internalChannel.credentials)) connecting.movesSessions = false;
    // A connected channel resolves nothing.
    return isReady(channel) ? undefined : connecting.beginAt(verdict.instance.ip, verdict.instance.port);
  });
  const prepare = safely('grpc-client call', (call: StartedCall, channel: Channel, series: Series | undefined, name: string | undefined) => {
    startInLane(Object.getPrototypeOf(call) as object, outbound);
    call[START] = { context: currentContext(), reach: reachOf(channel), inLane: hasEnteredLane(), series, name };
  });
  /** The host of an unconnected channel, if it is a name: DNS may not know it. */
  const nameToResolve = safely('grpc-client name', (channel: Channel): string | undefined => {
    if (!unresolved.canAsk || channel.getConnectivityState(false) === READY) return undefined;
    const host = targetOf(channel)?.host;
    return host === undefined || isIP(host) !== 0 ? undefined : host;
  });

  const count = safely('grpc-client traffic', (traffic: TrafficRecorder, channel: Channel, verdict: SettledVerdict) => {
    const target = targetOf(channel);
    return target === undefined ? undefined : traffic.call(target.host, target.port, currentContext()?.tag, verdict);
  });

  return function createCall(this: Channel, ...args: unknown[]): Call {
    if (siblings.has(this)) return original.apply(this, args);
    const deadline = args[1] as Date | number;
    const defer = (coming: Promise<() => Call>): Call => {
      let calls = waiting.get(this);
      if (calls === undefined) waiting.set(this, (calls = new Set()));
      return deferredCall(coming, deadline, calls);
    };
    /** The call, or the promise of it once there is a channel. */
    const proceed = (verdict: SettledVerdict): Call | Promise<() => Call> => {
      const series = observers.traffic === undefined ? undefined : count(observers.traffic, this, verdict);
      if (verdict.kind === 'unavailable') {
        if (series !== undefined) series.errors++;
        return failedCall(unavailableError(verdict));
      }
      const make = (channel: Channel): Call => {
        const call = original.apply(channel, args);
        const name = nameToResolve(channel);
        if (series !== undefined || name !== undefined || hasEnteredLane()) prepare(call, this, series, name);
        return call;
      };
      const attempt = begin(this, verdict);
      if (attempt === undefined) return make(this);
      // After a failure, the app's own channel waits longer than ours before it reconnects.
      const own = verdict.kind === 'as-is' && !hasFailed(this) ? verdict.instance : undefined;
      const channelTo = (): Channel => {
        const { ip, port } = attempt.instance;
        return (own?.ip === ip && own.port === port ? undefined : beside(this, attempt.instance, attempt.byName)) ?? this;
      };
      const channel = channelTo();
      if (isReady(channel)) return make(channel);
      return connectedChannel(connecting, attempt, deadline, channelTo).then((connected) => bindLane(() => make(connected)));
    };
    const verdict = judge(this, false);
    if (verdict?.kind !== 'wait') {
      const made = proceed(settled(verdict));
      return made instanceof Promise ? defer(made) : made;
    }
    const resume = bindLane(async (): Promise<() => Call> => {
      const made = await proceed(settled(judge(this, true)));
      return typeof made === 'function' ? made : () => made;
    });
    return defer(verdict.until.then(resume, resume));
  };
}

const START = Symbol('lane.start');
type Listener = Record<string, (...args: never[]) => unknown>;
type Start = (this: StartedCall, metadata: Metadata, listener: Listener) => unknown;

/** A call, and what to do as it starts. */
interface StartedCall extends Call {
  [START]?: {
    readonly context: LaneContext | undefined;
    readonly reach: Reach | undefined;
    readonly inLane: boolean;
    readonly series: Series | undefined;
    /** A host that DNS may not know. */
    readonly name: string | undefined;
  };
}

const LISTENED = ['onReceiveMetadata', 'onReceiveMessage', 'onReceiveStatus'] as const;

/** Calls of this class start with the lane in their metadata, have their listener called in the lane, and count a failure of the server. */
function startInLane(callClass: object, outbound: Outbound): void {
  const withLane = safely('grpc-client metadata', metadataWithLane);
  const remedyFor = safely('grpc-client name', outbound.unresolved.remedyFor.bind(outbound.unresolved));
  wrap(callClass, 'start', (original: Start) => {
    return function start(this: StartedCall, metadata, listener): unknown {
      const own = this[START];
      if (own === undefined) return Reflect.apply(original, this, [metadata, listener]);
      const { context, series, name } = own;
      const bind = (heard: (...args: unknown[]) => unknown): typeof heard => (own.inLane ? bindLane(heard) : heard);
      const told = Object.fromEntries(LISTENED.map((method) => [method, bind((listener[method] as () => unknown).bind(listener))]));
      if (series !== undefined || name !== undefined) {
        const ended = told['onReceiveStatus'] as (status: Status) => unknown;
        told['onReceiveStatus'] = ((status: Status): unknown => {
          if (series !== undefined && isFailedGrpcCode(status.code)) series.errors++;
          const remedy = name !== undefined && isUnresolved(status) ? remedyFor(name) : undefined;
          if (remedy === undefined) return ended(status);
          return void remedy.then((found) => {
            // Not in the promise: what is thrown there is a rejection.
            process.nextTick(ended, found === undefined ? status : { ...status, details: `${status.details} (${found})` });
          });
        }) as (status: unknown) => unknown;
      }
      if (!own.inLane) return Reflect.apply(original, this, [metadata, told]);
      return resumeContext(context, original, this, [withLane(metadata, context, own.reach, outbound) ?? metadata, told]);
    };
  });
}

/** grpc-js (build/src/resolver-dns.js) has no code of its own for a name that DNS does not know. */
const isUnresolved = ({ code, details }: Status): boolean => code === UNAVAILABLE && details.startsWith('Name resolution failed');

function metadataWithLane(given: Metadata, context: LaneContext | undefined, reach: Reach | undefined, outbound: Outbound): Metadata {
  if (context === undefined) return given;
  const metadata = given.clone();
  const headers: OutboundHeaders = {
    areAttachments: true,
    get: (name) => {
      const values = metadata.get(name).map(String);
      return values.length === 0 ? undefined : values;
    },
    set: (name, value) => metadata.set(name, value),
    remove: (name) => metadata.remove(name),
  };
  carryLane(context, outbound, headers, reach);
  return metadata;
}
