/**
 * What clients may send over HTTP/2, frame by frame (RFC 9113) and field by field (RFC 7541): the stream or the connection fails as the RFC
 * says, nothing becomes a second request at the instance, and the next client is served. Both over TLS and in clear text.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { block, FLAG, frame, openingOf, sendFrames, setting, TYPE, uint32, type Outcome } from './frames.js';
import { gatewayTo } from './support.js';

type Field = readonly [name: string, value: string];
const { endStream, endHeaders, padded, priority, ack } = FLAG;
const ASKED: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'x'],
  [':path', '/a'],
];
/** An ordinary request except for these fields: replaces pseudo fields, `undefined` omits one, others are appended. */
const fields = (changed: Record<string, string | undefined> = {}, ...more: readonly Field[]): Field[] => [
  ...ASKED.flatMap(([name, value]): Field[] => {
    const now = name in changed ? changed[name] : value;
    return now === undefined ? [] : [[name, now]];
  }),
  ...more,
];
/** A request without a body, with these fields. */
const whole = (list: readonly Field[], stream = 1): Buffer => frame(TYPE.headers, endStream | endHeaders, stream, block(...list));
/** The head of a request with a body. */
const opened = (list: readonly Field[] = fields(), stream = 1): Buffer => frame(TYPE.headers, endHeaders, stream, block(...list));
const data = (text: string, flags: number = endStream, stream = 1): Buffer => frame(TYPE.data, flags, stream, text);
const fine = (stream = 1): Buffer => whole(fields(), stream);
const all = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);
const repeat = (count: number, part: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => part));
const onStreams = (count: number, of: (stream: number) => Buffer): Buffer => all(...Array.from({ length: count }, (_, i) => of(1 + i * 2)));
const BLOCK = block(...fields());
/** A field block as raw HPACK, after the fields of an ordinary request. */
const packed = (...bytes: readonly number[]): Buffer => frame(TYPE.headers, endStream | endHeaders, 1, all(BLOCK, Buffer.from(bytes)));
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const KIB = 1_024;

/** What the server may do: the status of stream 1, `stream CODE`, `connection CODE` (which Node may call INTERNAL_ERROR, or end before it is said), `ignored`; several by `|`. */
type FrameCase = readonly [what: string, bytes: Buffer, wanted: string, more?: { streams?: readonly number[]; preface?: Buffer }];

const FRAMES: readonly FrameCase[] = [
  ['an ordinary request', fine(), '200'],
  ['an ordinary request with a body', all(opened(), data('abc')), '200'],
  ['a frame of a type that is not known', all(frame(0xee, 0, 0, 'abc'), fine()), '200'],
  ['a frame of 16,385 bytes', all(opened(), data('a'.repeat(16 * KIB + 1))), 'connection FRAME_SIZE_ERROR'],
  ['a frame that says 16 MB', frame(TYPE.data, 0, 1, 'a', 0xff_ffff), 'connection FRAME_SIZE_ERROR'],
  ['DATA on stream 0', data('a', 0, 0), 'connection PROTOCOL_ERROR'],
  ['DATA on an idle stream', data('a'), 'connection PROTOCOL_ERROR'],
  ['DATA behind the end', all(fine(), data('a')), '200|stream STREAM_CLOSED|connection STREAM_CLOSED'],
  ['HEADERS on stream 0', whole(fields(), 0), 'connection PROTOCOL_ERROR'],
  ['HEADERS on an even stream', whole(fields(), 2), 'connection PROTOCOL_ERROR'],
  ['HEADERS behind the end', all(fine(), fine()), '200|stream STREAM_CLOSED|connection STREAM_CLOSED|connection PROTOCOL_ERROR'],
  ['a stream below the last', all(fine(3), fine(1)), 'ignored|connection STREAM_CLOSED|connection PROTOCOL_ERROR', { streams: [3] }],
  ['PRIORITY of 4 bytes', all(frame(TYPE.priority, 0, 1, uint32(0)), fine()), 'connection FRAME_SIZE_ERROR|stream FRAME_SIZE_ERROR'],
  ['PRIORITY on stream 0', frame(TYPE.priority, 0, 0, all(uint32(3), Buffer.of(1))), 'connection PROTOCOL_ERROR|ignored'],
  [
    'a stream that depends on itself',
    frame(TYPE.headers, endStream | endHeaders | priority, 1, all(uint32(1), Buffer.of(1), BLOCK)),
    '200|stream PROTOCOL_ERROR|connection PROTOCOL_ERROR',
  ],
  ['RST_STREAM on an idle stream', frame(TYPE.reset, 0, 1, uint32(8)), 'connection PROTOCOL_ERROR'],
  ['RST_STREAM on stream 0', frame(TYPE.reset, 0, 0, uint32(8)), 'connection PROTOCOL_ERROR'],
  ['RST_STREAM of 3 bytes', all(opened(), frame(TYPE.reset, 0, 1, 'abc')), 'connection FRAME_SIZE_ERROR'],
  ['SETTINGS on a stream', frame(TYPE.settings, 0, 1), 'connection PROTOCOL_ERROR'],
  ['SETTINGS of 5 bytes', frame(TYPE.settings, 0, 0, 'abcde'), 'connection FRAME_SIZE_ERROR'],
  ['SETTINGS that are acknowledged with more', frame(TYPE.settings, ack, 0, setting(1, 0)), 'connection FRAME_SIZE_ERROR'],
  ['ENABLE_PUSH of 2', frame(TYPE.settings, 0, 0, setting(2, 2)), 'connection PROTOCOL_ERROR'],
  ['a first window of 2 GiB', frame(TYPE.settings, 0, 0, setting(4, 2 ** 31)), 'connection FLOW_CONTROL_ERROR'],
  ['MAX_FRAME_SIZE of 1', frame(TYPE.settings, 0, 0, setting(5, 1)), 'connection PROTOCOL_ERROR'],
  ['MAX_FRAME_SIZE of 16 MiB', frame(TYPE.settings, 0, 0, setting(5, 2 ** 24)), 'connection PROTOCOL_ERROR'],
  ['a setting that is not known', all(frame(TYPE.settings, 0, 0, setting(0xee, 1)), fine()), '200'],
  ['PING of 7 bytes', frame(TYPE.ping, 0, 0, 'abcdefg'), 'connection FRAME_SIZE_ERROR'],
  ['PING on a stream', frame(TYPE.ping, 0, 1, 'abcdefgh'), 'connection PROTOCOL_ERROR'],
  ['an answer to no PING', all(frame(TYPE.ping, ack, 0, 'abcdefgh'), fine()), '200|connection PROTOCOL_ERROR'],
  ['GOAWAY on a stream', frame(TYPE.goaway, 0, 1, all(uint32(0), uint32(0))), 'connection PROTOCOL_ERROR'],
  ['GOAWAY of 7 bytes', frame(TYPE.goaway, 0, 0, 'abcdefg'), 'connection FRAME_SIZE_ERROR'],
  ['a window that grows by 0', frame(TYPE.window, 0, 0, uint32(0)), 'connection PROTOCOL_ERROR'],
  ['a stream’s window that grows by 0', all(opened(), frame(TYPE.window, 0, 1, uint32(0))), 'stream PROTOCOL_ERROR|connection PROTOCOL_ERROR'],
  ['a window that overflows', frame(TYPE.window, 0, 0, uint32(0x7fff_ffff)), 'connection FLOW_CONTROL_ERROR'],
  [
    'a stream’s window that overflows',
    all(opened(), frame(TYPE.window, 0, 1, uint32(0x7fff_ffff))),
    'stream FLOW_CONTROL_ERROR|connection FLOW_CONTROL_ERROR',
  ],
  ['a window of an idle stream', frame(TYPE.window, 0, 1, uint32(1)), 'connection PROTOCOL_ERROR'],
  ['WINDOW_UPDATE of 3 bytes', frame(TYPE.window, 0, 0, 'abc'), 'connection FRAME_SIZE_ERROR'],
  ['PUSH_PROMISE', all(opened(), frame(TYPE.push, endHeaders, 1, all(uint32(2), BLOCK))), 'connection PROTOCOL_ERROR'],
  [
    '3 MB of body that wait for no window',
    all(opened(), ...Array.from({ length: 200 }, () => data('a'.repeat(16 * KIB), 0)), data('')),
    '200|stream FLOW_CONTROL_ERROR|connection FLOW_CONTROL_ERROR',
  ],
  ['CONTINUATION without HEADERS', frame(TYPE.continuation, endHeaders, 1, BLOCK), 'connection PROTOCOL_ERROR'],
  ['CONTINUATION behind END_HEADERS', all(opened(), frame(TYPE.continuation, endHeaders, 1, block(['x', '1']))), 'connection PROTOCOL_ERROR'],
  [
    'CONTINUATION of another stream',
    all(frame(TYPE.headers, endStream, 1, BLOCK), frame(TYPE.continuation, endHeaders, 3, block(['x', '1']))),
    'connection PROTOCOL_ERROR',
  ],
  ['DATA between HEADERS and CONTINUATION', all(frame(TYPE.headers, 0, 1, BLOCK), data('a')), 'connection PROTOCOL_ERROR'],
  ['HEADERS between HEADERS and CONTINUATION', all(frame(TYPE.headers, 0, 1, BLOCK), fine(3)), 'connection PROTOCOL_ERROR'],
  ['an unknown frame between HEADERS and CONTINUATION', all(frame(TYPE.headers, 0, 1, BLOCK), frame(0xee, 0, 1)), 'connection PROTOCOL_ERROR'],
  [
    'a head in many small CONTINUATIONs',
    all(
      frame(TYPE.headers, endStream, 1, BLOCK),
      frame(TYPE.continuation, 0, 1, block(['x', '1'])),
      frame(TYPE.continuation, endHeaders, 1, block(['y', '1'])),
    ),
    '200',
  ],
  [
    'padding',
    all(frame(TYPE.headers, endHeaders | padded, 1, all(Buffer.of(3), BLOCK, Buffer.from('\0\0\0'))), data('\x02abc\0\0', endStream | padded)),
    '200',
  ],
  ['padding of DATA as long as the frame', all(opened(), data('\x04abc', endStream | padded)), 'connection PROTOCOL_ERROR'],
  [
    'padding of HEADERS beyond the frame',
    frame(TYPE.headers, endStream | endHeaders | padded, 1, all(Buffer.of(255), BLOCK)),
    'connection PROTOCOL_ERROR',
  ],
  ['padding of an empty frame', all(opened(), data('', endStream | padded)), 'connection FRAME_SIZE_ERROR|connection PROTOCOL_ERROR'],
  ['no SETTINGS behind the preface', fine(), 'connection PROTOCOL_ERROR', { preface: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') }],
  [
    'a preface that is none',
    Buffer.alloc(0),
    'connection PROTOCOL_ERROR|connection closed',
    { preface: Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n') },
  ],
];

const HPACK: readonly FrameCase[] = [
  ['the index 0', packed(0x80), 'connection COMPRESSION_ERROR'],
  ['an index beyond the table', packed(0xfe), 'connection COMPRESSION_ERROR'],
  [
    'a table larger than allowed',
    frame(TYPE.headers, endStream | endHeaders, 1, all(Buffer.of(0x3f, 0xe1, 0xff, 0x03), BLOCK)),
    'connection COMPRESSION_ERROR',
  ],
  ['a change of the table behind a field', packed(0x20), 'connection COMPRESSION_ERROR'],
  ['a literal that breaks off', packed(0x00, 0x05, 0x61), 'connection COMPRESSION_ERROR'],
  ['a length that overflows', packed(0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), 'connection COMPRESSION_ERROR'],
  ['Huffman’s end of a text inside it', packed(0x00, 0x01, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff), 'connection COMPRESSION_ERROR'],
  [
    'a name that is repeated from the table 4,000 times',
    frame(
      TYPE.headers,
      endStream | endHeaders,
      1,
      all(BLOCK, Buffer.of(0x40, 1), Buffer.from('x'), Buffer.of(0x7f, 0x81, 0x17), Buffer.alloc(3_072, 'a'), Buffer.alloc(4_000, 0xbe)),
    ),
    '431|stream ENHANCE_YOUR_CALM|connection ENHANCE_YOUR_CALM|stream INTERNAL_ERROR',
  ],
];

const bad = 'stream PROTOCOL_ERROR|connection PROTOCOL_ERROR|400';
/** nghttp2 drops such a field, though the RFC says to reject the request. */
const leftOut = `200|${bad}`;
const FIELDS: readonly FrameCase[] = [
  ['a name in capitals', whole(fields({}, ['X-A', '1'])), bad],
  ['a name with a blank', whole(fields({}, ['x a', '1'])), leftOut],
  ['a name with a colon', whole(fields({}, ['x:a', '1'])), leftOut],
  ['a name with CRLF', whole(fields({}, ['x\r\ny', '1'])), leftOut],
  ['an empty name', whole(fields({}, ['', '1'])), leftOut],
  ['a value with CRLF', whole(fields({}, ['x', `1\r\n\r\n${SMUGGLED}`])), leftOut],
  ['a value with LF', whole(fields({}, ['x', '1\ny: 2'])), leftOut],
  ['a value with NUL', whole(fields({}, ['x', '1\0'])), leftOut],
  ['connection', whole(fields({}, ['connection', 'x'])), bad],
  ['keep-alive', whole(fields({}, ['keep-alive', '1'])), bad],
  ['proxy-connection', whole(fields({}, ['proxy-connection', 'x'])), bad],
  ['upgrade', whole(fields({}, ['upgrade', 'websocket'])), bad],
  ['transfer-encoding', all(opened(fields({}, ['transfer-encoding', 'chunked'])), data(`0\r\n\r\n${SMUGGLED}`)), bad],
  ['te: gzip', whole(fields({}, ['te', 'gzip'])), bad],
  ['te: trailers', whole(fields({}, ['te', 'trailers'])), '200'],
  ['http2-settings', whole(fields({}, ['http2-settings', 'AAMAAABk'])), `200|${bad}`],
  ['a pseudo field behind others', whole([...fields({ ':path': undefined }), ['x', '1'], [':path', '/a']]), bad],
  ['two :path', whole(fields({}, [':path', '/smuggled'])), bad],
  ['two :method', whole([[':method', 'GET'], ...fields()]), bad],
  ['two :authority', whole([[':authority', 'y'], ...fields()]), bad],
  ['two :scheme', whole([[':scheme', 'https'], ...fields()]), bad],
  ['a pseudo field that is not known', whole([[':lane', 'gray'], ...fields()]), bad],
  ['a pseudo field of answers', whole([[':status', '200'], ...fields()]), bad],
  ['no :path', whole(fields({ ':path': undefined })), bad],
  ['no :method', whole(fields({ ':method': undefined })), bad],
  ['no :scheme', whole(fields({ ':scheme': undefined })), bad],
  ['an empty :path', whole(fields({ ':path': '' })), bad],
  ['a :path with a fragment', whole(fields({ ':path': '/a#b' })), bad],
  ['a :path without a slash', whole(fields({ ':path': 'a' })), bad],
  ['a :path that is a whole URL', whole(fields({ ':path': 'http://y/a' })), bad],
  ['a :path with a blank', whole(fields({ ':path': '/a HTTP/1.1' })), bad],
  ['a :path with CRLF', whole(fields({ ':path': `/a HTTP/1.1\r\nHost: x\r\n\r\n${SMUGGLED}` })), bad],
  ['POST *', whole(fields({ ':path': '*' })), bad],
  ['OPTIONS *', whole(fields({ ':method': 'OPTIONS', ':path': '*' })), '200'],
  ['an empty :authority', whole(fields({ ':authority': '' })), bad],
  ['an :authority with a user', whole(fields({ ':authority': 'h:80@evil' })), bad],
  ['an :authority with CRLF', whole(fields({ ':authority': 'x\r\ny: 1' })), bad],
  ['an :authority that is not that of host', whole(fields({}, ['host', 'y'])), bad],
  ['host alone', whole(fields({ ':authority': undefined }, ['host', 'x'])), '200'],
  ['two host', whole(fields({ ':authority': undefined }, ['host', 'x'], ['host', 'y'])), bad],
  ['neither :authority nor host', whole(fields({ ':authority': undefined })), bad],
  ['a :method with a request in it', whole(fields({ ':method': 'GET /smuggled HTTP/1.1\r\nx:' })), bad],
  ['an empty :method', whole(fields({ ':method': '' })), bad],
  ['a :method that HTTP/1 does not have', whole(fields({ ':method': 'G@T' })), bad],
  ['a :scheme with CRLF', whole(fields({ ':scheme': 'http\r\nx: 1' })), bad],
  [
    'CONNECT',
    whole([
      [':method', 'CONNECT'],
      [':authority', 'evil:443'],
    ]),
    '405',
  ],
  ['CONNECT with :path', whole(fields({ ':method': 'CONNECT' })), bad],
  ['CONNECT with :protocol', whole([[':protocol', 'websocket'], ...fields({ ':method': 'CONNECT' })]), bad],
  ['content-length twice', all(opened(fields({}, ['content-length', '1'], ['content-length', '3'])), data('abc')), bad],
  ['content-length with a sign', all(opened(fields({}, ['content-length', '+3'])), data('abc')), bad],
  ['a negative content-length', all(opened(fields({}, ['content-length', '-1'])), data('abc')), bad],
  ['an empty content-length', all(opened(fields({}, ['content-length', ''])), data('abc')), bad],
  ['a content-length of 99 digits', all(opened(fields({}, ['content-length', '9'.repeat(99)])), data('abc')), bad],
  ['fewer bytes than its length', all(opened(fields({}, ['content-length', '4'])), data('abc')), bad],
  ['more bytes than its length', all(opened(fields({}, ['content-length', '3'])), data(`abc${SMUGGLED}`)), bad],
  ['a length, and no body', whole(fields({}, ['content-length', '3'])), bad],
  ['trailers', all(opened(), data('abc', 0), whole([['x-sum', '1']])), '200'],
  ['trailers with a pseudo field', all(opened(), data('abc', 0), whole([[':path', '/smuggled']])), bad],
  ['trailers that do not end the stream', all(opened(), data('abc', 0), opened([['x-sum', '1']])), bad],
  ['trailers with a length', all(opened(), data('abc', 0), whole([['content-length', '9']])), `200|${bad}`],
  ['trailers with transfer-encoding', all(opened(), data('abc', 0), whole([['transfer-encoding', 'chunked']])), bad],
  [
    '300 fields',
    whole(fields({}, ...Array.from({ length: 300 }, (_, i): Field => [`j${i}`, '1']))),
    '431|stream ENHANCE_YOUR_CALM|connection ENHANCE_YOUR_CALM',
  ],
  ['a head of 15 KB', whole(fields({}, ['x', 'a'.repeat(15 * KIB)])), '200'],
  [
    'a head of 48 KB',
    all(
      frame(TYPE.headers, endStream, 1, BLOCK),
      ...['x', 'y', 'z'].map((name, i) => frame(TYPE.continuation, i === 2 ? endHeaders : 0, 1, block([name, 'a'.repeat(16_000)]))),
    ),
    '431|stream ENHANCE_YOUR_CALM|connection ENHANCE_YOUR_CALM',
  ],
  ['100 crumbs of a cookie', whole(fields({}, ...Array.from({ length: 100 }, (_, i): Field => ['cookie', `c${i}=1`]))), '200'],
  ['a body that looks like a request', all(opened(fields({ ':method': 'DELETE' })), data(SMUGGLED)), '200'],
];

const calm = 'connection ENHANCE_YOUR_CALM';
/** Each exceeds the limits by far, and would continue: the connection ends at whichever limit is reached first. */
const FLOODS: readonly FrameCase[] = [
  ['PING', repeat(5_000, frame(TYPE.ping, 0, 0, 'abcdefgh')), calm],
  ['SETTINGS', repeat(5_000, frame(TYPE.settings, 0, 0, setting(3, 1))), calm],
  ['requests that are reset', onStreams(2_000, (stream) => all(fine(stream), frame(TYPE.reset, 0, stream, uint32(8)))), calm],
  [
    'requests whose reset the server is made to send',
    onStreams(2_000, (stream) => all(opened(fields(), stream), frame(TYPE.window, 0, stream, uint32(0)))),
    `${calm}|connection PROTOCOL_ERROR`,
  ],
  ['requests that are refused', onStreams(2_000, (stream) => whole(fields({}, ['X', '1']), stream)), `${calm}|connection PROTOCOL_ERROR`],
  [
    'empty CONTINUATIONs',
    all(frame(TYPE.headers, endStream, 1, BLOCK), repeat(5_000, frame(TYPE.continuation, 0, 1))),
    `${calm}|connection PROTOCOL_ERROR|connection INTERNAL_ERROR`,
  ],
  [
    'CONTINUATIONs with fields',
    all(
      frame(TYPE.headers, endStream, 1, BLOCK),
      ...Array.from({ length: 500 }, (_, i) => frame(TYPE.continuation, 0, 1, block([`j${i}`, 'a'.repeat(8 * KIB)]))),
    ),
    `${calm}|connection PROTOCOL_ERROR|connection INTERNAL_ERROR|stream ENHANCE_YOUR_CALM`,
  ],
  [
    'fields without name and value',
    all(frame(TYPE.headers, endStream, 1, BLOCK), ...Array.from({ length: 500 }, () => frame(TYPE.continuation, 0, 1, repeat(100, block(['', '']))))),
    `${calm}|connection PROTOCOL_ERROR|connection INTERNAL_ERROR`,
  ],
  ['empty DATA', all(opened(), repeat(20_000, frame(TYPE.data, 0, 1)), data('')), `200|${calm}`],
  ['PRIORITY', all(repeat(20_000, frame(TYPE.priority, 0, 1, all(uint32(3), Buffer.of(1)))), fine()), `200|${calm}`],
];

function wordOf({ streams, connection }: Outcome): string {
  const first = streams.get(1);
  if (connection !== undefined) return `connection ${connection}`;
  if (first === undefined) return 'ignored';
  return /^\d/.test(first) ? first : `stream ${first}`;
}

describe.each(['in clear text', 'over TLS'])('HTTP/2 %s', (how) => {
  const seen: string[] = [];
  const lines: string[] = [];
  let server: Server;
  let gateway: Gateway;
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      lines.push(...request.rawHeaders);
      request.on('error', () => {});
      request.resume().on('end', () => response.end('ok'));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const pem = (name: string): string => readFileSync(join(__dirname, '../../../packages/gateway/src/testing', name), 'utf8');
    const certificate = how === 'over TLS' ? { certificate: { cert: pem('other-cert.pem'), key: pem('other-key.pem') } } : {};
    gateway = await gatewayTo((server.address() as AddressInfo).port, certificate);
  });
  afterAll(async () => {
    await gateway.close(0);
    server.closeAllConnections();
    server.close();
  });

  describe.each([
    ['frames', FRAMES],
    ['HPACK', HPACK],
    ['fields', FIELDS],
    ['a flood', FLOODS],
  ] as const)('%s', (_kind, cases) => {
    test.each(cases.map((one) => [one[0], one] as const))('%s', async (_what, [, bytes, wanted, { streams = [1], preface } = {}]) => {
      seen.length = 0;
      lines.length = 0;
      const outcome = await sendFrames(gateway, bytes, wanted.startsWith('connection') ? [] : streams, preface ?? openingOf());
      const got = wordOf(outcome);
      if (/^connection (?:INTERNAL_ERROR|closed)$/.test(got)) expect(wanted).toContain('connection ');
      else expect(wanted.split('|')).toContain(got);
      expect(seen).not.toContain('GET /smuggled');
      expect(lines.join('\n')).not.toMatch(/smuggled|^(?:x a|x:a|lane)$/m);
      if (got === '200') expect(seen).toHaveLength(1);
      const after = await sendFrames(gateway, whole(fields({ ':path': '/normal' })), [1]);
      expect(after).toEqual({ streams: new Map([[1, '200']]), connection: undefined });
    });
  });
});

test("a faulty frame ends its connection, and its client's requests in flight", async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const gateway = await gatewayTo((server.address() as AddressInfo).port, { timeouts: { keepAliveMs: 100 } });
  const asked = once(server, 'request') as Promise<[IncomingMessage]>;
  const client = connect(gateway.port, gateway.host).on('error', () => {});
  client.write(all(openingOf(), opened(), data('a', 0)));
  const [request] = await asked;
  const gone = once(request, 'close').catch(() => {});
  request.on('error', () => {});
  client.write(data('\x04abc', padded));
  await Promise.all([gone, once(client.resume(), 'close')]);
  expect(request.complete).toBe(false);
  await gateway.close(0);
  server.close();
});

describe('a client that holds a connection open', () => {
  test.each([
    ['with nothing at all', Buffer.alloc(0)],
    ['with half a head', frame(TYPE.headers, endStream, 1, BLOCK)],
    ['with half a frame', frame(TYPE.headers, endStream | endHeaders, 1, BLOCK).subarray(0, 20)],
    ['with PINGs that it answers', Buffer.alloc(0)],
  ])('%s loses it after a long idle time', async (what, bytes) => {
    const gateway = await gatewayTo(1, { timeouts: { keepAliveMs: 100 } });
    const client = connect(gateway.port, gateway.host).on('error', () => {});
    client.write(all(openingOf(), bytes));
    if (what === 'with PINGs that it answers') client.on('data', () => void client.write(frame(TYPE.ping, 0, 0, 'abcdefgh')));
    else client.resume();
    await once(client, 'close');
    expect(client.destroyed).toBe(true);
    await gateway.close(0);
  });

  test('and no window for an answer, ends the request at the instance', async () => {
    const server = createServer((_request, response) => void response.end(Buffer.alloc(4 * KIB * KIB))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const gateway = await gatewayTo((server.address() as AddressInfo).port, { timeouts: { idleMs: 100 } });
    const asked = once(server, 'request') as Promise<[IncomingMessage]>;
    const client = connect(gateway.port, gateway.host).on('error', () => {});
    client.resume().write(all(openingOf(setting(4, 0)), fine()));
    const [{ socket }] = await asked;
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.destroyed).toBe(true);
    client.destroy();
    await gateway.close(0);
    server.close();
  });
});
