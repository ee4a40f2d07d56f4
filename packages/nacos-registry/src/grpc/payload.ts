/**
 * Nacos' messages over gRPC: one protobuf message for all (alibaba/nacos, `api/src/main/proto/nacos_grpc_service.proto`), whose body is JSON.
 *
 *     message Metadata { string type = 3; string clientIp = 8; map<string, string> headers = 7; }
 *     message Payload { Metadata metadata = 2; google.protobuf.Any body = 3; }   // of Any, `value` = 2 has the bytes
 *
 * Written by hand, because there are only these two. `@nacos-group/sdk-proto` 1.0.0-beta.4 has neither: it publishes TypeScript sources as its
 * `main`, which Node does not load, with protobuf forms of the bodies, which servers do not read.
 */

/** A message on the wire. */
export interface Payload {
  /** The Java class of the body, such as `ServiceQueryRequest`; it says how to read it. */
  readonly type: string;
  /** Such as the access token. Only servers read them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clientIp?: string | undefined;
  /** JSON. */
  readonly body: string;
}

/** Longest varint of a length that we accept. */
const MAX_VARINT_BYTES = 5;
const VARINT = 0;
const FIXED_64 = 1;
const BYTES = 2;
const FIXED_32 = 5;

/** The bytes of a message. */
export function encodePayload({ type, headers = {}, clientIp, body }: Payload): Buffer {
  const metadata = Buffer.concat([
    field(3, Buffer.from(type)),
    ...Object.entries(headers).map(([name, value]) => field(7, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))]))),
    ...(clientIp === undefined ? [] : [field(8, Buffer.from(clientIp))]),
  ]);
  return Buffer.concat([field(2, metadata), field(3, field(2, Buffer.from(body)))]);
}

/** Parses a server's message; undefined: invalid. Never throws, for any bytes. */
export function decodePayload(bytes: Buffer): Pick<Payload, 'type' | 'body'> | undefined {
  const payload = fieldsOf(bytes);
  const metadata = payload === undefined ? undefined : fieldsOf(payload.get(2) ?? EMPTY);
  const body = payload === undefined ? undefined : fieldsOf(payload.get(3) ?? EMPTY);
  const type = metadata?.get(3)?.toString('utf8');
  if (type === undefined || body === undefined) return undefined;
  return { type, body: (body.get(2) ?? EMPTY).toString('utf8') };
}

const EMPTY = Buffer.alloc(0);

function field(number: number, value: Buffer): Buffer {
  return Buffer.concat([varint((number << 3) | BYTES), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** The length-delimited fields of a message by number, the last of duplicates, as in protobuf; undefined: not a message. */
function fieldsOf(bytes: Buffer): Map<number, Buffer> | undefined {
  const fields = new Map<number, Buffer>();
  let at = 0;
  const next = (): number | undefined => {
    let value = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = next();
    if (tag === undefined) return undefined;
    const wireType = tag & 7;
    if (wireType === BYTES) {
      const length = next();
      if (length === undefined || length > bytes.length - at) return undefined;
      fields.set(Math.floor(tag / 8), bytes.subarray(at, at + length));
      at += length;
    } else if (wireType === VARINT) {
      while ((bytes[at++] ?? 0) >= 0x80);
    } else if (wireType === FIXED_64) at += 8;
    else if (wireType === FIXED_32) at += 4;
    else return undefined;
  }
  return at === bytes.length ? fields : undefined;
}
