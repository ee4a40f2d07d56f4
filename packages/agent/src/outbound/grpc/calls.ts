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

/** A call that passes on what it is told once it has come about. */
export function deferredCall(coming: Promise<Call>): Call {
  let call: Call | undefined;
  const told: Array<[string, never[]]> = [];
  void coming.then((come) => {
    call = come;
    for (const [method, args] of told) call[method]?.(...args);
  });
  return new Proxy({} as Call, {
    get: (_, method: string) => {
      return (...args: never[]): unknown => {
        if (call !== undefined) return call[method]?.(...args);
        if (method === 'getPeer') return 'unknown';
        if (method === 'getCallNumber') return -1;
        if (method === 'getAuthContext') return null;
        told.push([method, args]);
        return undefined;
      };
    },
  });
}

const UNAVAILABLE = 14;

/** A call that ends with UNAVAILABLE as soon as it is started. */
export function failedCall(error: Error): Call {
  return new Proxy({} as Call, {
    get: (_, method: string) => {
      return (metadata: Metadata, listener: { onReceiveStatus(status: object): void }): unknown => {
        if (method === 'getPeer') return 'unknown';
        if (method === 'getCallNumber') return -1;
        if (method !== 'start') return null;
        const trailers = new (metadata.constructor as new () => Metadata)();
        process.nextTick(() => listener.onReceiveStatus({ code: UNAVAILABLE, details: error.message, metadata: trailers }));
        return undefined;
      };
    },
  });
}
