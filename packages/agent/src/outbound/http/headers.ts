import type http from 'node:http';
import { currentContext, type HeaderLines, type LaneContext, type OutboundHeaders } from '@lane/core/model';
import { carryLane } from '../carry-lane.js';
import { ArrayHeaders } from '../header-forms.js';
import type { Outbound } from '../outbound.js';
import { safely } from '../../patching/safely.js';
import { LANE, type Request } from './request-lane.js';

/** `ClientRequest.prototype._storeHeader`. */
export type StoreHeader = (this: Request, firstLine: string, headers: unknown) => void;

/** Stores headers with the lane in them. */
export function storeHeaderWithLane(original: StoreHeader, outbound: Pick<Outbound, 'codec' | 'propagation'>): StoreHeader {
  const withLane = safely('http-client headers', headersWithLane);
  return function _storeHeader(this: Request, firstLine: string, headers: unknown): void {
    const made = this[LANE];
    const context = made === undefined ? currentContext() : made;
    if ((context === undefined || context === null) && outbound.propagation.strips === undefined) {
      original.call(this, firstLine, headers);
      return;
    }
    original.call(this, firstLine, withLane(this, headers, context, outbound) ?? headers);
  };
}

/** The headers to store. Object headers belong to the request and are changed in place; arrays belong to the app and are copied. */
function headersWithLane(
  request: Request,
  headers: unknown,
  context: LaneContext | null | undefined,
  outbound: Pick<Outbound, 'codec' | 'propagation'>,
): unknown {
  const { host, path } = request;
  if (Array.isArray(headers)) {
    const copy = new ArrayHeaders(headers);
    carryLane(context, outbound, copy, host, path);
    return copy.toArray();
  }
  if (headers === null || headers === undefined) {
    const added = new PlainHeaders();
    carryLane(context, outbound, added, host, path);
    return added.values;
  }
  carryLane(context, outbound, new RequestHeaders(request), host, path);
  return headers;
}

class RequestHeaders implements OutboundHeaders {
  readonly #request: http.ClientRequest;
  constructor(request: http.ClientRequest) {
    this.#request = request;
  }
  get(name: string): HeaderLines {
    const value = this.#request.getHeader(name);
    return typeof value === 'number' ? String(value) : value;
  }
  set(name: string, value: string): void {
    this.#request.setHeader(name, value);
  }
  remove(name: string): void {
    this.#request.removeHeader(name);
  }
}

class PlainHeaders implements OutboundHeaders {
  readonly values: Record<string, string> = {};
  get(): HeaderLines {
    return undefined;
  }
  set(name: string, value: string): void {
    this.values[name] = value;
  }
  remove(): void {}
}
