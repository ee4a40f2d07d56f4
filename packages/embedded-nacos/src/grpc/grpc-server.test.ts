/** The gRPC side of the server: where it listens, and that nobody who reaches it ends it. What it answers is held to the contract suite, by two SDKs. */
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect, createServer, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { frameOf } from '../../dist/grpc/payload.js';
import { startEmbeddedNacos, type EmbeddedNacos } from '../../dist/index.js';

function closing(nacos: EmbeddedNacos): EmbeddedNacos {
  onTestFinished(() => nacos.close());
  return nacos;
}

describe('the port', () => {
  test('is 1000 above the other one, or the one that is asked for, or there is none', async () => {
    const usual = closing(await startEmbeddedNacos({ port: 0 }));
    expect(usual.grpcPort).toBe(usual.port + 1000);
    const asked = closing(await startEmbeddedNacos({ port: 0, grpcPort: 0 }));
    expect(asked.grpcPort).toBeGreaterThan(0);
    expect(closing(await startEmbeddedNacos({ port: 0, grpcPort: false })).grpcPort).toBeUndefined();
  });

  test('that is taken leaves HTTP, which is told; one that was asked for is an error', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const grpcPort = (taken.address() as AddressInfo).port;
    const lines: string[] = [];
    const nacos = closing(await startEmbeddedNacos({ port: grpcPort - 1000, log: (line) => lines.push(line) }));
    expect(nacos.grpcPort).toBeUndefined();
    expect(lines).toEqual([expect.stringContaining(`port ${grpcPort} of 127.0.0.1, where clients look for gRPC, is in use`)]);
    await expect(startEmbeddedNacos({ port: 0, grpcPort })).rejects.toMatchObject({ code: 'ELANE_PORT_IN_USE' });
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
  // An uncaught exception is a failure of the run, too; this tells which test it was.
  afterEach(async () => {
    const answer = await fetch(`http://${nacos.address}/nacos/v1/ns/operator/metrics`);
    expect(await answer.json()).toMatchObject({ status: 'UP' });
  });

  /** Sends bytes to a path; settles when the stream is over. */
  async function send(path: string, bytes: Uint8Array): Promise<void> {
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.resume();
    stream.end(bytes);
    await once(stream, 'close');
  }

  test('no HTTP/2', async () => {
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

  test('fields that are none', async () => {
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
