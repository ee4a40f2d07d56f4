/**
 * The last place before the socket: other agents add their headers to an undici request when it is created. We run last,
 * whenever they subscribed. Several lines of `baggage`, of which some servers read only one, become one with our entry
 * unchanged. If a tag may not go there, what others have written of it is removed again.
 */
import { channel } from 'node:diagnostics_channel';
import { BAGGAGE_HEADER, hasEnteredLane, removeTag, writeTag, type TagCodec } from '@lane/core/model';
import { isStripped, mayReach } from '../carry-lane.js';
import { ArrayHeaders } from '../header-forms.js';
import type { Outbound } from '../outbound.js';
import { safely } from '../../patching/safely.js';
import { wrap } from '../../patching/wrap.js';
import { originOf } from './target.js';

/** A request of undici, as its channels report it. */
interface CreatedRequest {
  readonly origin?: string | URL;
  readonly path?: string;
  /** Flat since undici 6; before, the lines of the head. */
  headers?: unknown;
}

/** Channels live only as long as somebody holds them. */
const created = channel('undici:request:create');
let done = false;

/** Has the last word on the headers of all requests of all copies of undici. */
export function checkCreatedRequests({ codec, propagation }: Pick<Outbound, 'codec' | 'propagation'>): void {
  if (done) return;
  done = true;
  // undici publishes only if somebody listens.
  if (propagation.strips !== undefined) created.subscribe(() => {});
  const check = safely('undici baggage', (request: CreatedRequest | undefined) => {
    if (request === undefined || (typeof request.headers !== 'string' && !Array.isArray(request.headers))) return;
    if (!hasEnteredLane() && propagation.strips === undefined) return;
    const headers = typeof request.headers === 'string' ? linesOf(request.headers) : request.headers;
    const lines = new ArrayHeaders(headers);
    const host = originOf(request.origin)?.host;
    const strips = isStripped(propagation, host) && lines.get(BAGGAGE_HEADER) !== undefined;
    if (strips) lines.remove(BAGGAGE_HEADER);
    let carried = strips;
    if (hasEnteredLane())
      removeTag(codec, {
        get: (name) => lines.get(name),
        set: (name, value) => {
          carried = true;
          lines.set(name, value);
        },
        remove: (name) => {
          carried = true;
          lines.remove(name);
        },
      });
    if (!carried) return;
    if (strips || !mayReach(propagation, host, request.path)) {
      const left = lines.toArray() as string[];
      request.headers = typeof request.headers === 'string' ? textOf(left) : left;
    } else if (Array.isArray(request.headers)) joinLines(request.headers, codec);
  });
  // Its class changes with the first subscriber; call the method inherited then.
  wrap(created, 'publish', (original) => {
    return function publish(this: unknown, ...args: unknown[]): void {
      Reflect.apply(original, this, args);
      check((args[0] as { request?: CreatedRequest } | undefined)?.request);
    };
  });
}

/** undici 5 keeps them in one string, to which it adds lines that can't be separated safely: there they stay. */
function joinLines(headers: unknown[], codec: TagCodec): void {
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
}

/** No value has a line break: undici has refused it. */
function linesOf(text: string): string[] {
  const flat: string[] = [];
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) flat.push(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  return flat;
}

function textOf(flat: readonly string[]): string {
  let text = '';
  for (let i = 0; i + 1 < flat.length; i += 2) text += `${flat[i]}: ${flat[i + 1]}\r\n`;
  return text;
}
