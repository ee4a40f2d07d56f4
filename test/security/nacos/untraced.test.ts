/** The agent's requests to Nacos are in no span of the app, and its password is in no URL. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ROOT_CONTEXT, context, trace, type Context, type Span, type SpanOptions } from '@opentelemetry/api';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, onTestFinished, test } from 'vitest';
import { connectNacos } from '@lane/nacos-registry';

test("a log-in and later requests to Nacos make no spans, while the app's requests do", async () => {
  const spans: string[] = [];
  const span: Span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 });
  const tracer = {
    startSpan(name: string, options?: SpanOptions) {
      spans.push(name + JSON.stringify(options));
      return span;
    },
  };
  const store = new AsyncLocalStorage<Context>();
  context.setGlobalContextManager({
    active: () => store.getStore() ?? ROOT_CONTEXT,
    with: (active, run, self, ...args) => store.run(active, () => Reflect.apply(run, self, args) as never),
    bind: (_, target) => target,
    enable: () => context as never,
    disable: () => context as never,
  });
  const instrumentation = new HttpInstrumentation({ disableIncomingRequestInstrumentation: true });
  instrumentation.setTracerProvider({ getTracer: () => tracer as never });
  instrumentation.enable();
  onTestFinished(() => {
    instrumentation.disable();
    context.disable();
  });
  const http = require('http') as typeof import('node:http');

  const seen: string[] = [];
  const server: Server = http.createServer((request: IncomingMessage, response: ServerResponse) => {
    seen.push(request.url ?? '');
    if (request.url?.includes('/auth/') === true) response.end('{"accessToken":"a-token"}');
    else response.writeHead(request.headers['accesstoken'] === 'a-token' ? 404 : 403).end('config data not exist');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connection = connectNacos({ server: address, username: 'lane', password: 'a-secret' });
  onTestFinished(() => connection.close());
  expect(await connection.get('doc', 'LANE')).toBeUndefined();
  expect(seen.filter((url) => /a-secret|a-token/.test(url))).toEqual([]);
  expect(seen).toHaveLength(2);
  expect(spans).toEqual([]);

  const [response] = (await once(http.get(`http://${address}/of-the-app`), 'response')) as [IncomingMessage];
  response.resume();
  expect(spans).toHaveLength(1);
});
