/** Calls of @grpc/grpc-js that are not there yet, or never will be. */

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

/**
 * A call that passes on what it is told once it has come about: when `coming` has settled it is made by what that gives. Until then it ends
 * as calls do: by its deadline (a date, or milliseconds of the wall clock), by being cancelled, or with the error that making it throws.
 */
export function deferredCall(coming: Promise<() => Call>, deadline: Date | number): Call {
  let call: Call | undefined;
  let ended: Status | undefined;
  let started: { readonly metadata: Metadata; readonly listener: Listener } | undefined;
  const told: Array<[string, never[]]> = [];
  const end = (status: Status): void => {
    if (call !== undefined || ended !== undefined) return;
    ended = status;
    tell();
  };
  const tell = (): void => {
    const status = ended;
    if (status !== undefined && started !== undefined) endCall(started.metadata, started.listener, status);
  };
  const remaining = Number(deadline) - Date.now();
  const timer = remaining <= MAX_TIMER_MS ? setTimeout(end, Math.max(0, remaining), DEADLINE) : undefined;
  const fail = (error: Error): void => end({ code: UNAVAILABLE, details: error.message });
  void coming
    .then((make) => {
      if (ended === undefined) call = make();
    }, fail)
    .catch(fail)
    .then(() => {
      clearTimeout(timer);
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
/** Longer ones Node's timers can't do, and takes for none. */
const MAX_TIMER_MS = 0x7fffffff;

function endCall(metadata: Metadata, listener: Listener, { code, details }: Status): void {
  const trailers = new (metadata.constructor as new () => Metadata)();
  process.nextTick(() => listener.onReceiveStatus({ code, details, metadata: trailers }));
}

/** gRPC's code for a peer that cannot be reached. */
export const UNAVAILABLE = 14;

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
