/**
 * Sockets of undici, of any copy. Its connector does not say whose socket it makes, but `undici:client:beforeConnect` is published just before, in
 * the same turn (lib/dispatcher/client.js, undici 5 to 8).
 */
import { channel } from 'node:diagnostics_channel';
import type net from 'node:net';
import { safely } from '../../patching/safely.js';

type BeforeConnect = { readonly connectParams: { readonly hostname: string; readonly port: string; readonly protocol: string } };
type SendHeaders = { readonly socket: net.Socket };

let expected: { readonly host: string; readonly port: number } | undefined;

/** From now on, sockets of undici are recognized. */
export function followUndiciSockets(): void {
  const hear = safely('undici connects', ({ connectParams: { hostname, port, protocol } }: BeforeConnect) => {
    expected = { host: hostname, port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) };
    queueMicrotask(() => (expected = undefined));
  });
  channel('undici:client:beforeConnect').subscribe((message) => hear(message as BeforeConnect));
}

/** Whether the connecting socket is undici's. */
export function isOfUndici(host: string, port: number): boolean {
  return expected !== undefined && expected.host === host && expected.port === port;
}

const once = new WeakSet<net.Socket>();
let isHearing = false;

/** Limits an undici socket to one request: undici then closes it, as after a request with `reset`. */
export function serveOneRequest(socket: net.Socket): void {
  once.add(socket);
  if (isHearing) return;
  isHearing = true;
  const hear = safely('undici sockets', ({ socket: sending }: SendHeaders) => {
    if (!once.has(sending)) return;
    const reset = Object.getOwnPropertySymbols(sending).find(({ description }) => description === 'reset');
    if (reset !== undefined) (sending as unknown as Record<symbol, boolean>)[reset] = true;
  });
  channel('undici:client:sendHeaders').subscribe((message) => hear(message as SendHeaders));
}
