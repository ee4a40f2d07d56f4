/** Hand-written HTTP/2 frames (RFC 9113), and a server's reaction to them. No client library prevents what must not be sent. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Gateway } from '@lane/gateway';

/** Types of frames, section 6. */
export const TYPE = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, window: 8, continuation: 9 } as const;
/** Flags; `ack` is for SETTINGS and PING. */
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

/** A frame, section 4.1. `length`: a false length to declare. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = '', length?: number): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(length ?? body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, body]);
}

/** A number in 4 bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** One setting, section 6.5.1. */
export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, id]), uint32(value)]);
}

/** A field block of literals without indexing (RFC 7541, 6.2.2), so that every byte is explicit. */
export function block(...fields: ReadonlyArray<readonly [name: string, value: string]>): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** The server's reaction: per stream the status or reset code, and how the connection ended. */
export interface Outcome {
  readonly streams: ReadonlyMap<number, string>;
  /** The name of GOAWAY's code, or `closed`; undefined if it is open. */
  readonly connection: string | undefined;
}

const CODES = new Map(
  Object.entries(constants)
    .filter(([name]) =>
      /^NGHTTP2_(?:NO_ERROR|.*_ERROR|CANCEL|REFUSED_STREAM|STREAM_CLOSED|ENHANCE_YOUR_CALM|SETTINGS_TIMEOUT|CONNECT_ERROR)$/.test(name),
    )
    .filter(([, value]) => typeof value === 'number' && value >= 0)
    .map(([name, value]) => [value as number, name.slice('NGHTTP2_'.length)]),
);
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const SETTLED = Buffer.from('settled!');

/**
 * Sends bytes after an ordinary client's preface and SETTINGS. Returns the reaction once the connection has ended, or once
 * the server has answered all `streams` and a PING after the bytes.
 */
export async function sendFrames(gateway: Gateway, bytes: Buffer, streams: readonly number[], preface: Buffer = openingOf()): Promise<Outcome> {
  const isEncrypted = gateway.url.startsWith('https:');
  const socket = isEncrypted
    ? connectTls({ port: gateway.port, host: gateway.host, ALPNProtocols: ['h2'], rejectUnauthorized: false })
    : connectTcp(gateway.port, gateway.host);
  socket.on('error', () => {});
  await once(socket, isEncrypted ? 'secureConnect' : 'connect');
  socket.write(Buffer.concat([preface, bytes, frame(TYPE.ping, 0, 0, SETTLED)]));
  const outcome = await read(socket, streams);
  socket.destroy();
  return outcome;
}

/** The preface, and SETTINGS that disable the dynamic table in the server's answers. */
export function openingOf(settings: Buffer = setting(1, 0)): Buffer {
  return Buffer.concat([Buffer.from(PREFACE), frame(TYPE.settings, 0, 0, settings)]);
}

async function read(socket: Socket, streams: readonly number[]): Promise<Outcome> {
  const ended = new Map<number, string>();
  const statuses = new Map<number, string>();
  let connection: string | undefined;
  let hasSettled = false;
  let held: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      held = Buffer.concat([held, chunk as Buffer]);
      for (; held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3); held = held.subarray(9 + held.readUIntBE(0, 3))) {
        const payload = held.subarray(9, 9 + held.readUIntBE(0, 3));
        const type = held.readUInt8(3);
        const flags = held.readUInt8(4);
        const stream = held.readUInt32BE(5) & 0x7fff_ffff;
        if (type === TYPE.settings && flags === 0) socket.write(frame(TYPE.settings, FLAG.ack, 0));
        else if (type === TYPE.ping && payload.equals(SETTLED)) hasSettled = true;
        else if (type === TYPE.headers && !statuses.has(stream)) statuses.set(stream, statusOf(payload));
        else if (type === TYPE.reset) ended.set(stream, ended.get(stream) ?? nameOf(payload.readUInt32BE(0)));
        else if (type === TYPE.goaway) connection = nameOf(payload.readUInt32BE(4));
        if ((type === TYPE.headers || type === TYPE.data) && (flags & FLAG.endStream) !== 0) ended.set(stream, statuses.get(stream) ?? '?');
      }
      // Node 20 leaves the connection open after it: see test `a faulty frame`.
      if (connection !== undefined && connection !== 'NO_ERROR') break;
      if (hasSettled && streams.every((stream) => ended.has(stream))) return { streams: ended, connection };
    }
  } catch {
    // A reset also ends it.
  }
  return { streams: ended, connection: connection ?? 'closed' };
}

function nameOf(code: number): string {
  return CODES.get(code) ?? String(code);
}

/** Statuses of the static table (RFC 7541, appendix A), from 8 on. */
const STATUSES = ['200', '204', '206', '304', '400', '404', '500'];

/** The status, which is the first field: indexed, or a literal of digits that the Huffman code does not shorten. */
function statusOf(payload: Buffer): string {
  let at = 0;
  // An update of the dynamic table's size may precede it.
  while (((payload[at] as number) & 0xe0) === 0x20) at++;
  const first = payload[at] as number;
  if ((first & 0x80) !== 0) return STATUSES[(first & 0x7f) - 8] ?? '?';
  const length = payload[at + 1] as number;
  return (length & 0x80) === 0 ? payload.toString('latin1', at + 2, at + 2 + length) : digits(payload.subarray(at + 2, at + 2 + (length & 0x7f)));
}

/** Digits in Huffman's code (RFC 7541, appendix B): 0 to 2 take five bits, 3 to 9 six. */
function digits(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  let text = '';
  while (bits.length >= 5 && text.length < 3) {
    const five = Number.parseInt(bits.slice(0, 5), 2);
    const size = five <= 2 ? 5 : 6;
    text += five <= 2 ? five : Number.parseInt(bits.slice(0, 6), 2) - 22;
    bits = bits.slice(size);
  }
  return text;
}
