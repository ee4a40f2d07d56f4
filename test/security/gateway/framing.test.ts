/** What clients may send over HTTP/1: each case is answered or ended as it should be, nothing becomes a second request, and the next client is served. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '@lane/gateway';
import { askNormally, gatewayTo, sendRaw, startRecorder } from './support.js';

let recorder: Awaited<ReturnType<typeof startRecorder>>;
let gateway: Gateway;
beforeAll(async () => {
  recorder = await startRecorder();
  gateway = await gatewayTo(recorder.port);
});
afterAll(async () => {
  await gateway.close(0);
  recorder.server.closeAllConnections();
  recorder.server.close();
});

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const chunked = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
const junk = (count: number): string => Array.from({ length: count }, (_, i) => `j${i}: 1\r\n`).join('');
/** A head after which the client says that it is the last one. */
const head = (line: string, ...headers: string[]): string => `${line}\r\n${headers.map((one) => `${one}\r\n`).join('')}Connection: close\r\n\r\n`;
const post = (...headers: string[]): string => head('POST /a HTTP/1.1', 'Host: x', ...headers);

const CASES: ReadonlyArray<readonly [what: string, sent: string, status: number, reaches: boolean]> = [
  ['an ordinary GET', head('GET /a HTTP/1.1', 'Host: x'), 200, true],
  ['an ordinary POST with a length', `${post('Content-Length: 3')}abc`, 200, true],
  ['an ordinary chunked POST', `${post('Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n`, 200, true],
  ['a chunked GET whose body looks like a request', `${head('GET /a HTTP/1.1', 'Host: x', 'Transfer-Encoding: chunked')}${chunked}`, 200, true],
  [
    'a DELETE whose body looks like a request',
    `${head('DELETE /a HTTP/1.1', 'Host: x', `Content-Length: ${SMUGGLED.length}`)}${SMUGGLED}`,
    200,
    true,
  ],
  ['Trailer without trailers', head('GET /a HTTP/1.1', 'Host: x', 'Trailer: x-sum'), 200, true],
  ['Trailer with a length', `${post('Trailer: x-sum', 'Content-Length: 1')}a`, 200, true],
  ['a trailer', `${post('Trailer: x-sum', 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\nx-sum: 1\r\n\r\n`, 200, true],
  ['a trailer of framing', `${post('Transfer-Encoding: chunked')}1\r\na\r\n0\r\ncontent-length: 9\r\n\r\n`, 400, true],
  [
    '999 header lines before Transfer-Encoding',
    `POST /a HTTP/1.1\r\nHost: x\r\n${junk(999)}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    431,
    false,
  ],
  ['257 header lines', `GET /a HTTP/1.1\r\nHost: x\r\n${junk(256)}\r\n`, 431, false],
  [
    '2,100 header lines',
    `POST /a HTTP/1.1\r\nHost: x\r\n${Array.from({ length: 1_900 }, () => 'j:1\r\n').join('')}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    431,
    false,
  ],
  ['a head of 20 KB', head('GET /a HTTP/1.1', 'Host: x', `X: ${'a'.repeat(20_000)}`), 431, false],
  ['two Hosts', head('GET /a HTTP/1.1', 'Host: x', 'Host: y'), 400, false],
  ['the same Host twice', head('GET /a HTTP/1.1', 'Host: x', 'host: x'), 400, false],
  ['no Host', head('GET /a HTTP/1.1'), 400, false],
  ['an empty Host', head('GET /a HTTP/1.1', 'Host:'), 400, false],
  ['a Host with a user', head('GET /a HTTP/1.1', 'Host: h:80@evil'), 400, false],
  ['a Host with a path', head('GET /a HTTP/1.1', 'Host: h/evil'), 400, false],
  ['a Host with a blank', head('GET /a HTTP/1.1', 'Host: h evil'), 400, false],
  ['a Host with a comma', head('GET /a HTTP/1.1', 'Host: h, evil'), 400, false],
  ['a Host with an escape', head('GET /a HTTP/1.1', 'Host: h%2eevil'), 400, false],
  ['a Host with a port that is none', head('GET /a HTTP/1.1', 'Host: h:80x'), 400, false],
  ['both framings', `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${SMUGGLED}`, 400, false],
  ['both framings the other way round', `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n${SMUGGLED}`, 400, false],
  ['two lengths', `${post('Content-Length: 0', `Content-Length: ${SMUGGLED.length}`)}${SMUGGLED}`, 400, false],
  ['the same length twice', `${post('Content-Length: 1', 'Content-Length: 1')}a`, 400, false],
  ['a list of lengths', `${post('Content-Length: 1, 1')}a`, 400, false],
  ['a length with a sign', `${post('Content-Length: +1')}a`, 400, false],
  ['a negative length', `${post('Content-Length: -1')}a`, 400, false],
  ['a hexadecimal length', `${post('Content-Length: 0x1')}a`, 400, false],
  ['an empty length', post('Content-Length:'), 400, false],
  ['a length that is too large', post('Content-Length: 99999999999999999999'), 400, false],
  ['Transfer-Encoding twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`, 400, false],
  ['chunked, chunked', `${post('Transfer-Encoding: chunked, chunked')}0\r\n\r\n`, 400, false],
  ['gzip, chunked', `${post('Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, 501, false],
  ['a blank before the colon', `${post('Transfer-Encoding : chunked')}${chunked}`, 400, false],
  ['Transfer-Encoding in HTTP/1.0', `POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`, 400, false],
  ['a chunk size that is none', `${post('Transfer-Encoding: chunked')}zz\r\n`, 400, true],
  ['HTTP/2.0 as a text', head('GET /a HTTP/2.0', 'Host: x'), 505, false],
  ['HTTP/3.0 as a text', head('GET /a HTTP/3.0', 'Host: x'), 400, false],
  ['a target without a slash', head('GET a HTTP/1.1', 'Host: x'), 400, false],
  ['a target with a fragment', head('GET /a#b HTTP/1.1', 'Host: x'), 400, false],
  ['a whole URL', head('GET http://x/a HTTP/1.1', 'Host: y'), 200, true],
  ['a whole URL with a user', head('GET http://x:80@evil/a HTTP/1.1', 'Host: x'), 400, false],
  ['a whole URL of another scheme', head('GET ftp://x/a HTTP/1.1', 'Host: x'), 400, false],
  ['GET *', head('GET * HTTP/1.1', 'Host: x'), 400, false],
  ['OPTIONS *', head('OPTIONS * HTTP/1.1', 'Host: x'), 200, true],
  ['CONNECT', head('CONNECT evil:443 HTTP/1.1', 'Host: evil:443'), 405, false],
  ['a header line without a colon', head('GET /a HTTP/1.1', 'Host: x', 'nonsense'), 400, false],
  ['a header with a NUL', head('GET /a HTTP/1.1', 'Host: x', 'X: a\0b'), 400, false],
  ['a header with a bare CR', head('GET /a HTTP/1.1', 'Host: x', 'X: a\rb'), 400, false],
  [
    'a WebSocket handshake with a body',
    `GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    400,
    false,
  ],
  [
    'an offer of h2c with both framings',
    `POST /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    false,
  ],
];

describe('a client of HTTP/1 that sends', () => {
  test.each(CASES)('%s', async (_what, sent, status, reaches) => {
    recorder.seen.length = 0;
    const answer = await sendRaw(gateway, sent);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    expect(await askNormally(gateway)).toMatch(/saw \/normal$/);
    expect(recorder.seen.filter((one) => !one.endsWith('/normal'))).toHaveLength(reaches && status === 200 ? 1 : recorder.seen.length - 1);
    expect(recorder.seen).not.toContain('GET /smuggled');
    if (!reaches) expect(recorder.seen).toEqual(['GET /normal']);
  });
});
