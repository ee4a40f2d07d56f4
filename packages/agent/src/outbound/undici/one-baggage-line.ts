/**
 * Other agents add their baggage to a request of undici when it is created, as a second line, which some servers never look at.
 * So we are the last to hear of the creation, whoever subscribed when: lines become one, in which our entry is what it was.
 */
import { channel } from 'node:diagnostics_channel';
import { BAGGAGE_HEADER, writeTag } from '@lane/core/model';
import type { Outbound } from '../outbound.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';

/** Channels are kept only as long as somebody has them. */
const created = channel('undici:request:create');
let done = false;

/** undici's `Request`, as it is published: headers are flat pairs, or in undici 5 a text of lines. */
interface CreatedRequest {
  readonly origin?: unknown;
  headers?: unknown;
}

export function keepOneBaggageLine({ codec, propagation: { strips } }: Pick<Outbound, 'codec' | 'propagation'>): void {
  if (done) return;
  done = true;
  // undici publishes only where somebody listens.
  if (strips !== undefined) created.subscribe(() => {});
  const join = safely('undici baggage', (request: CreatedRequest | undefined) => {
    if (strips !== undefined && request !== undefined && strips(new URL(String(request.origin)).hostname)) removeBaggage(request);
    const headers = request?.headers;
    // undici 5 has them in one text, and adds lines to it that can't be told apart safely.
    if (!Array.isArray(headers)) return;
    const at: number[] = [];
    for (let i = 0; i + 1 < headers.length; i += 2) if (String(headers[i]).toLowerCase() === BAGGAGE_HEADER) at.push(i);
    if (at.length < 2) return;
    const lines = at.map((i) => String(headers[i + 1]));
    let single = lines.join(',');
    const tag = codec.read((name) => (name === BAGGAGE_HEADER ? lines[0] : undefined));
    if (tag !== undefined)
      writeTag(tag, codec, {
        get: (name) => (name === BAGGAGE_HEADER ? lines : undefined),
        set: (name, value) => void (name === BAGGAGE_HEADER && (single = value)),
        remove: () => {},
      });
    headers[(at[0] as number) + 1] = single;
    for (const i of at.slice(1).reverse()) headers.splice(i, 2);
  });
  // Its class changes with the first subscriber; what is inherited then is called.
  wrap(created, 'publish', (original) => {
    return function publish(this: unknown, ...args: unknown[]): void {
      Reflect.apply(original, this, args);
      join((args[0] as { request?: CreatedRequest } | undefined)?.request);
    };
  });
}

/** Takes all baggage from a request to a host outside (LANE_BAGGAGE_BOUNDARY). */
function removeBaggage(request: CreatedRequest): void {
  const { headers } = request;
  if (typeof headers === 'string') request.headers = headers.replace(/^baggage:.*\r\n/gim, '');
  if (!Array.isArray(headers)) return;
  for (let i = headers.length - 2; i >= 0; i -= 2) if (String(headers[i]).toLowerCase() === BAGGAGE_HEADER) headers.splice(i, 2);
}
