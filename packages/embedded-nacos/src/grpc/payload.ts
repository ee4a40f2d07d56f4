/**
 * Nacos' messages over gRPC (alibaba/nacos, `api/src/main/proto/nacos_grpc_service.proto`), and their gRPC framing: one protobuf message
 * for all, whose body is JSON. Separate from the client's codec (`@lane/nacos-registry`), so that a mistake in one can't hide in the other.
 */

/** A received message. */
export interface Received {
  /** The Java class of the body, such as `InstanceRequest`. */
  readonly type: string;
  /** By lower-case name: the server looks them up case-insensitively. */
  readonly headers: ReadonlyMap<string, string>;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Length of the prefix of each message: a byte for whether it is compressed, and its length. */
export const PREFIX_BYTES = 5;

/** A message with its gRPC prefix. */
export function frameOf(type: string, fields: object): Buffer {
  const metadata = lengthDelimited(3, Buffer.from(type));
  const any = lengthDelimited(2, Buffer.from(JSON.stringify(fields)));
  const message = Buffer.concat([lengthDelimited(2, metadata), lengthDelimited(3, any)]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Reads a message; undefined if it is not one. Never throws. */
export function messageIn(bytes: Buffer): Received | undefined {
  try {
    const payload = new Map(fieldsIn(bytes));
    const headers = new Map<string, string>();
    let type = '';
    for (const [number, value] of fieldsIn(payload.get(2) ?? Buffer.alloc(0))) {
      if (number === 3) type = value.toString();
      if (number === 7) {
        const entry = new Map(fieldsIn(value));
        headers.set((entry.get(1) ?? '').toString().toLowerCase(), (entry.get(2) ?? '').toString());
      }
    }
    const body = new Map(fieldsIn(payload.get(3) ?? Buffer.alloc(0))).get(2);
    const fields: unknown = JSON.parse(body === undefined || body.length === 0 ? '{}' : body.toString());
    if (typeof fields !== 'object' || fields === null) return undefined;
    return { type, headers, fields: fields as Record<string, unknown> };
  } catch {
    return undefined;
  }
}

/** The length-delimited fields of a message; Nacos' messages have no others. Throws if it is not a message. */
function* fieldsIn(bytes: Buffer): Generator<[number: number, value: Buffer]> {
  let at = 0;
  const varint = (): number => {
    for (let value = 0, shift = 1; ; shift *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) !== 2) throw new RangeError(`a field of wire type ${tag & 7}`);
    const length = varint();
    if (length > bytes.length - at) throw new RangeError('a field that is longer than its message');
    yield [tag >>> 3, bytes.subarray(at, at + length)];
    at += length;
  }
}

function lengthDelimited(number: number, value: Buffer): Buffer {
  const head: number[] = [(number << 3) | 2];
  let length = value.length;
  for (; length > 127; length = Math.floor(length / 128)) head.push((length % 128) | 128);
  return Buffer.concat([Buffer.from([...head, length]), value]);
}
