/**
 * A stand-in for SQL Server, which we cannot run in CI. Speaks as much TDS 7.4 as clients need to log in, answers each call
 * and each selecting batch with one row, and begins and ends transactions ([MS-TDS], 2.2.6 and 2.2.7).
 */
import net from 'node:net';
import { listen } from '@lane/testing/ports';
import type { Service } from '../../servers/process.js';

/** What its rows do not claim. */
export const SQL_SERVER_STAND_IN = 'tested with our own TDS server: SQL Server itself is not in Debian, npm or Maven Central';

/** Types of packets. */
const BATCH = 1;
const CALL = 3;
const ANSWER = 4;
const TRANSACTION = 14;
const LOGIN = 16;
const PRELOGIN = 18;
/** Tokens in an answer. */
const DONE = 0xfd;
const DONE_PROC = 0xfe;
/** Kinds of changes (2.2.7.9), and of requests (2.2.6.9), of transactions. */
const BEGUN = 8;
const COMMITTED = 9;
const ROLLED_BACK = 10;
const BEGIN = 5;
const COMMIT = 7;
const HEADER_BYTES = 8;

const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const wide = (text: string): Buffer => Buffer.from(text, 'utf16le');

function answer(...parts: ReadonlyArray<Buffer | readonly number[]>): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = body.length + HEADER_BYTES;
  return Buffer.concat([Buffer.from([ANSWER, 1, length >> 8, length & 0xff, 0, 0, 1, 0]), body]);
}
const token = (kind: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([kind, ...u16(body.length)]), body]);
const done = (kind: number, rows = 0): readonly number[] => [kind, ...u16(rows === 0 ? 0 : 0x10), 0, 0, rows, 0, 0, 0, 0, 0, 0, 0];

// Its version, and that it does not encrypt.
const AGREED = answer([0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 0, 0, 0, 0, 2]);
const NAME = wide('stand-in');
const LOGGED_IN = answer(
  token(0xad, Buffer.concat([Buffer.from([1, 0x74, 0, 0, 4, NAME.length / 2]), NAME, Buffer.from([15, 0, 0, 0])])),
  done(DONE),
);
const NOTHING = answer(done(DONE));
// One column, an int called `one`.
const oneRow = (end: number): Buffer => answer([0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0x38, 3], wide('one'), [0xd1, 1, 0, 0, 0], done(end, 1));
const ID = [1, 0, 0, 0, 0, 0, 0, 0];
const transaction = (change: number): Buffer =>
  answer(token(0xe3, Buffer.from(change === BEGUN ? [change, 8, ...ID, 0] : [change, 0, 8, ...ID])), done(DONE));

function answerTo(type: number, body: Buffer): Buffer {
  if (type === PRELOGIN) return AGREED;
  if (type === LOGIN) return LOGGED_IN;
  if (type === CALL) return oneRow(DONE_PROC);
  // The request follows its headers, which follow their length.
  const asked = body.subarray(body.readUInt32LE(0));
  if (type === BATCH) return /select/i.test(asked.toString('utf16le')) ? oneRow(DONE) : NOTHING;
  if (type !== TRANSACTION) return NOTHING;
  const kind = asked.readUInt16LE(0);
  return transaction(kind === BEGIN ? BEGUN : kind === COMMIT ? COMMITTED : ROLLED_BACK);
}

/** Starts it. */
export async function startSqlServer(): Promise<Service> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let come = Buffer.alloc(0);
    let message: Buffer[] = [];
    socket.on('data', (chunk) => {
      come = Buffer.concat([come, chunk]);
      while (come.length >= HEADER_BYTES && come.length >= come.readUInt16BE(2)) {
        const packet = come.subarray(0, come.readUInt16BE(2));
        come = come.subarray(packet.length);
        message.push(packet.subarray(HEADER_BYTES));
        if (((packet[1] as number) & 1) === 0) continue;
        socket.write(answerTo(packet[0] as number, Buffer.concat(message)));
        message = [];
      }
    });
  });
  const port = await listen(server);
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
