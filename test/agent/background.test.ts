/** Background work that a request happens to start, and that continues after it, does not belong to the request. */
import http from 'node:http';
import { connectNacos } from '@lane/nacos-registry';
import { listen } from '@lane/testing/ports';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { test, type TestContext } from 'vitest';
import { nodeVersions } from './nodes.js';
import { send, startApp } from './run-app.js';

/** A proxy in front of Nacos that records what each request carried. */
async function startRecorder(
  nacos: string,
  onTestFinished: TestContext['onTestFinished'],
): Promise<{ address: string; requests: string[]; seen(pattern: RegExp, count: number): Promise<void> }> {
  const [host, port] = nacos.split(':');
  const requests: string[] = [];
  let wake = (): void => {};
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.baggage ?? 'no baggage'}`);
    wake();
    // On a connection of its own: Nacos may close a kept one just as it is used.
    const passed = http.request({ host, port, method: request.method, path: request.url, headers: request.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  });
  const own = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    address: `127.0.0.1:${own}`,
    requests,
    async seen(pattern, count) {
      while (requests.filter((request) => pattern.test(request)).length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

test.concurrent.for(nodeVersions())(
  'a Nacos client that a tagged request has made keeps on in the background, on $name',
  async ({ path }, { expect, onTestFinished }) => {
    const nacos = await startEmbeddedNacos({ port: 0 });
    onTestFinished(() => nacos.close());
    const recorder = await startRecorder(nacos.address, onTestFinished);
    const app = await startApp({ node: path, script: 'lazy-nacos.cjs', env: { NACOS: recorder.address } });
    onTestFinished(() => app.stop());
    const pushed: string[] = [];
    app.child.on('message', ({ kind, lane }: { kind?: string; lane: string }) => void (kind === 'pushed' && pushed.push(lane)));

    expect((await send(app.port, '/', { baggage: 'lane=gray' })).body).toBe('gray');
    const connection = connectNacos({ server: nacos.address });
    onTestFinished(() => connection.close());
    await connection.register({ name: 'lazy-b', group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: 9 });
    await app.heard('pushed', 1);
    await recorder.seen(/ \/nacos\/v1\/ns\/instance\/beat/, 1);
    expect(pushed).toEqual(pushed.map(() => 'none'));
    expect(recorder.requests.filter((request) => !request.endsWith('no baggage'))).toEqual([]);
  },
);
