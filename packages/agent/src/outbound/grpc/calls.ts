/** Calls of @grpc/grpc-js that wait for their channel, or fail without one. */

export interface Metadata {
  clone(): Metadata;
  get(name: string): unknown[];
  set(name: string, value: string): void;
  remove(name: string): void;
}

export interface Call {
  start(metadata: Metadata, listener: Record<string, (...args: never[]) => unknown>): unknown;
  [method: string]: (...args: never[]) => unknown;
}

/** How a call ended. */
export interface Status {
  readonly code: number;
  readonly details: string;
}

type Listener = { onReceiveStatus(status: object): void };

const DEADLINE_EXCEEDED = 4;
/** gRPC's code for a peer that cannot be reached. */
export const UNAVAILABLE = 14;

/**
 * A call that replays its operations once the real call exists, created by the function that `coming` resolves to. Until then it ends
 * as calls do: by its deadline (a date, or milliseconds of the wall clock), by being cancelled, or with an error of creating it. `waiting`
 * holds the functions that end it when its channel closes.
 */
export function deferredCall(coming: Promise<() => Call>, deadline: Date | number, waiting: Set<() => void>): Call {
  let call: Call | undefined;
  let ended: Status | undefined;
  let started: { readonly metadata: Metadata; readonly listener: Listener } | undefined;
  const told: Array<[string, never[]]> = [];
  const end = (status: Status): void => {
    if (call !== undefined || ended !== undefined) return;
    ended = status;
    clearTimeout(timer);
    waiting.delete(close);
    tell();
  };
  const tell = (): void => {
    const status = ended;
    if (status !== undefined && started !== undefined) endCall(started.metadata, started.listener, status);
  };
  const remaining = Number(deadline) - Date.now();
  // Holds the process, as grpc-js does for its own calls (callRefTimer of lib/internal-channel.js): a channel that no call is on does not.
  const timer = remaining <= MAX_TIMER_MS ? setTimeout(end, Math.max(0, remaining), DEADLINE) : setInterval(() => {}, MAX_TIMER_MS);
  const close = (): void => end(CLOSED);
  waiting.add(close);
  const fail = (error: Error): void => end({ code: UNAVAILABLE, details: error.message });
  void coming
    .then((make) => {
      if (ended === undefined) call = make();
    }, fail)
    .catch(fail)
    .then(() => {
      clearTimeout(timer);
      waiting.delete(close);
      if (ended === undefined) for (const [method, args] of told) call?.[method]?.(...args);
    });
  return new Proxy({} as Call, {
    get: (_, method: string) => {
      return (...args: never[]): unknown => {
        if (call !== undefined) return call[method]?.(...args);
        if (method === 'getPeer') return 'unknown';
        if (method === 'getCallNumber') return -1;
        if (method === 'getAuthContext') return null;
        if (method === 'start') {
          const [metadata, listener] = args as unknown as [Metadata, Listener];
          started = { metadata, listener };
          tell();
        }
        if (method === 'cancelWithStatus') {
          const [code, details] = args as unknown as [number, string];
          end({ code, details });
        } else told.push([method, args]);
        return undefined;
      };
    },
  });
}

const DEADLINE: Status = { code: DEADLINE_EXCEEDED, details: 'Deadline exceeded while the instance was looked for' };
const CLOSED: Status = { code: UNAVAILABLE, details: 'Channel closed while the instance was looked for' };
/** Node's timers treat longer ones as 1 ms. */
const MAX_TIMER_MS = 0x7fffffff;

function endCall(metadata: Metadata, listener: Listener, { code, details }: Status): void {
  const trailers = new (metadata.constructor as new () => Metadata)();
  process.nextTick(() => listener.onReceiveStatus({ code, details, metadata: trailers }));
}

/** A call that ends with UNAVAILABLE as soon as it is started. */
export function failedCall(error: Error): Call {
  return new Proxy({} as Call, {
    get: (_, method: string) => {
      return (metadata: Metadata, listener: Listener): unknown => {
        if (method === 'getPeer') return 'unknown';
        if (method === 'getCallNumber') return -1;
        if (method !== 'start') return null;
        endCall(metadata, listener, { code: UNAVAILABLE, details: error.message });
        return undefined;
      };
    },
  });
}
