/** The gRPC side of the server: where it listens, and that no client can crash it. The contract suite tests its answers with two SDKs. */
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, Server, type AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { frameOf } from '../../dist/grpc/payload.js';
import { startEmbeddedNacos, type EmbeddedNacos } from '../../dist/index.js';

function closing(nacos: EmbeddedNacos): EmbeddedNacos {
  onTestFinished(() => nacos.close());
  return nacos;
}

/** A port that is in use. */
async function takePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('the port', () => {
  test('is the HTTP port plus 1000, or the configured one, or none', async () => {
    const usual = closing(await startEmbeddedNacos({ port: 0 }));
    expect(usual.grpcPort).toBe(usual.port + 1000);
    const asked = closing(await startEmbeddedNacos({ port: 0, grpcPort: 0 }));
    expect(asked.grpcPort).toBeGreaterThan(0);
    expect(closing(await startEmbeddedNacos({ port: 0, grpcPort: false })).grpcPort).toBeUndefined();
  });

  test('if in use, leaves only HTTP, which is logged; a configured one is an error', async () => {
    const lines: string[] = [];
    let nacos: EmbeddedNacos | undefined;
    let grpcPort = 0;
    while (nacos === undefined) {
      grpcPort = await takePort();
      // The port below may be taken: try another pair.
      nacos = await startEmbeddedNacos({ port: grpcPort - 1000, log: (line) => lines.push(line) }).catch(() => undefined);
    }
    closing(nacos);
    expect(nacos.grpcPort).toBeUndefined();
    expect(lines).toEqual([expect.stringContaining(`port ${grpcPort} of 127.0.0.1, where clients look for gRPC, is in use`)]);
    await expect(startEmbeddedNacos({ port: 0, grpcPort })).rejects.toMatchObject({ code: 'ELANE_PORT_IN_USE' });
  });

  test('if in use above a port that was any free one, is that of another, without a word', async () => {
    const lines: string[] = [];
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    let nacos: EmbeddedNacos | undefined;
    let unlucky = 0;
    while (nacos === undefined) {
      unlucky = (await takePort()) - 1000;
      // What the system gives at first.
      listen.mockImplementationOnce(function (this: Server, ...[, host]: unknown[]) {
        return this.listen(unlucky, host as string);
      } as Server['listen']);
      nacos = await startEmbeddedNacos({ port: 0, log: (line) => lines.push(line) }).catch(() => undefined);
    }
    closing(nacos);
    expect(listen.mock.calls.map(([port]) => port)).toContain(unlucky);
    expect(nacos.port).not.toBe(unlucky);
    expect(nacos.grpcPort).toBe(nacos.port + 1000);
    expect(lines).toEqual([]);
  });
});

describe('whatever is sent', () => {
  let nacos: EmbeddedNacos;
  let session: ClientHttp2Session;
  beforeAll(async () => {
    nacos = await startEmbeddedNacos({ port: 0 });
    session = connectHttp2(`http://127.0.0.1:${nacos.grpcPort}`);
    session.on('error', () => {});
    return async () => {
      session.destroy();
      await nacos.close();
    };
  });
  // An uncaught exception also fails the run; this tells in which test.
  async function expectServed(): Promise<void> {
    const answer = await fetch(`http://${nacos.address}/nacos/v1/ns/operator/metrics`);
    expect(await answer.json()).toMatchObject({ status: 'UP' });
  }
  afterEach(expectServed);

  /** Sends bytes to a path; settles when the stream ends. */
  async function send(path: string, bytes: Uint8Array): Promise<void> {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.resume();
    stream.end(bytes);
    await once(stream, 'close');
  }

  test('a message in one-byte frames takes at most a few times its length', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const memory = (): number => {
      collect();
      const { heapUsed, arrayBuffers, external } = process.memoryUsage();
      return heapUsed + arrayBuffers + external;
    };
    const frame = (type: number, flags: number, stream: number, body: Uint8Array): Buffer => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(body.length, 0, 3);
      head.writeUInt8(type, 3);
      head.writeUInt8(flags, 4);
      head.writeUInt32BE(stream, 5);
      return Buffer.concat([head, body]);
    };
    const literal = (name: string, value: string): Buffer =>
      Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
    const socket = connect(nacos.grpcPort as number, '127.0.0.1').on('error', () => {});
    // What may still be sent, by the windows of the connection and of the stream.
    const windows = [65_535, 65_535];
    let wake = (): void => {};
    let held: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      for (let length = 0; held.length >= 9 && held.length >= 9 + (length = held.readUIntBE(0, 3)); held = held.subarray(9 + length))
        if (held[3] === 8) windows[held.readUInt32BE(5) === 0 ? 0 : 1]! += held.readUInt32BE(9);
      wake();
    });
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(frame(4, 0, 0, Buffer.alloc(0)));
    const fields = [
      literal(':method', 'POST'),
      literal(':scheme', 'http'),
      literal(':path', '/Request/request'),
      literal(':authority', 'x'),
      literal('content-type', 'application/grpc'),
    ];
    socket.write(frame(1, 4, 1, Buffer.concat(fields)));
    const length = 600_000;
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(length + 1, 1);
    socket.write(frame(0, 0, 1, prefix));
    await expectServed();
    const before = memory();
    const one = frame(0, 0, 1, Buffer.from('x'));
    for (let sent = 0; sent < length;) {
      const some = Math.min(length - sent, 20_000, windows[0]! - 5, windows[1]! - 5);
      if (some <= 0) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      windows[0]! -= some;
      windows[1]! -= some;
      sent += some;
      if (!socket.write(Buffer.concat(Array<Buffer>(some).fill(one)))) await once(socket, 'drain');
    }
    await expectServed();
    expect(memory() - before).toBeLessThan(16 * length);
    socket.destroy();
  });

  test('bytes that are not HTTP/2', async () => {
    const socket = connect(nacos.grpcPort as number, '127.0.0.1');
    socket.on('error', () => {});
    let answer = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk));
    socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'close');
    expect(answer).not.toMatch(/^HTTP\/1.1 2/);
  });

  test.each(['/Request/request', '/BiRequestStream/requestBiStream', '/elsewhere'])('bytes to %s', async (path) => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), (bytes) => send(path, bytes)),
      { numRuns: 50 },
    );
    await send(path, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
    await send(path, Buffer.from([1, 0, 0, 0, 0]));
  });

  test('invalid fields', async () => {
    const stream = session.request({ ':method': 'POST', ':path': '/BiRequestStream/requestBiStream', 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.write(frameOf('ConnectionSetupRequest', {}));
    const types = ['InstanceRequest', 'BatchInstanceRequest', 'PersistentInstanceRequest', 'ServiceQueryRequest', 'SubscribeServiceRequest'];
    const others = ['ServiceListRequest', 'ConfigQueryRequest', 'ConfigPublishRequest', 'ConfigRemoveRequest', 'ConfigBatchListenRequest', 'Odd'];
    const names = ['type', 'serviceName', 'instance', 'instances', 'dataId', 'group', 'content', 'configListenContexts', 'additionMap', 'pageNo'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...types, ...others), fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (type, fields) =>
        send('/Request/request', frameOf(type, fields)),
      ),
    );
    stream.destroy();
  });
});
