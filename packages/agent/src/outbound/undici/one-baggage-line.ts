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

export function keepOneBaggageLine({ codec }: Pick<Outbound, 'codec'>): void {
  if (done) return;
  done = true;
  const join = safely('undici baggage', (headers: unknown) => {
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
      join((args[0] as { request?: { headers?: unknown } } | undefined)?.request?.headers);
    };
  });
}
