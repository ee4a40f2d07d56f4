import type http from 'node:http';
import { BAGGAGE_HEADER, currentContext, writeLane, type HeaderLines, type LaneContext, type OutboundHeaders } from '@lane/core/model';
import { ArrayHeaders } from '../header-forms.js';
import type { Outbound } from '../outbound.js';
import { safely } from '../../patching/safely.js';
import { LANE, type Request } from './request-lane.js';

/** `ClientRequest.prototype._storeHeader`. */
export type StoreHeader = (this: Request, firstLine: string, headers: unknown) => void;

/** Headers are stored with the lane in them. */
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

/** The headers to store. Object headers are the request's own and changed in place; arrays are the app's and copied. */
function headersWithLane(
  request: Request,
  headers: unknown,
  context: LaneContext | null | undefined,
  { codec, propagation }: Pick<Outbound, 'codec' | 'propagation'>,
): unknown {
  const strips = propagation.strips?.(request.host) === true;
  if (context === undefined || context === null || (context.tag !== undefined && !propagation.allows(request.host)))
    return strips ? withoutBaggage(request, headers) : headers;
  if (Array.isArray(headers)) {
    const copy = new ArrayHeaders(headers);
    writeLane(context, codec, copy);
    return copy.toArray();
  }
  if (headers === null || headers === undefined) {
    const added = new PlainHeaders();
    writeLane(context, codec, added);
    return added.values;
  }
  writeLane(context, codec, new RequestHeaders(request));
  return headers;
}

/** The headers to store without any baggage. */
function withoutBaggage(request: Request, headers: unknown): unknown {
  if (!Array.isArray(headers)) {
    if (headers !== null && headers !== undefined) request.removeHeader(BAGGAGE_HEADER);
    return headers;
  }
  const copy = new ArrayHeaders(headers);
  copy.remove(BAGGAGE_HEADER);
  return copy.toArray();
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
