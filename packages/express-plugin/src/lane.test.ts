// Handlers here never reject, so they also work under Express 4.
// oxlint-disable oxc/no-async-endpoint-handlers
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { compileLaneGroups, type LaneGroupsDocument, type LaneRules, type Matcher, isKeyWithin } from '@lane/core/rules';
import { currentContext, currentLane, hasEnteredLane, runInLane, SILENT_LOG, type Log, type RequestTag } from '@lane/core/model';
import express5, { type Express, type Request, type Response } from 'express';
import express4 from 'express4';
import { afterEach, describe, expect, test } from 'vitest';
import { lane, type LaneOptions } from './index.js';

const MARK = Symbol.for('lane.request.v1');

const closing: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Serves an app on a free port. */
async function serve(app: Express): Promise<number> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A client with one kept-alive socket. */
function oneSocket(): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  closing.push(async () => agent.destroy());
  return agent;
}

interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly agent?: http.Agent;
  readonly body?: string;
}

const tagged = (tag: string | undefined): http.OutgoingHttpHeaders => (tag === undefined ? {} : { baggage: `lane=${tag}` });

/** Sends a request and returns the JSON of the answer. */
async function ask(port: number, { path = '/', method = 'GET', headers = {}, agent, body }: Ask = {}): Promise<unknown> {
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, ...(agent === undefined ? {} : { agent }) });
  request.end(body);
  return answerOf(request);
}

async function answerOf(request: http.ClientRequest): Promise<unknown> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`no JSON: ${text}`);
  }
}

/** Answers with the request's tag, and the lane it runs in: at once, and after awaiting. */
async function tell(request: Request, response: Response): Promise<void> {
  const now = currentLane();
  await setImmediate();
  response.json({ ...request.lane, lane: [now ?? null, currentLane() ?? null] });
}

const inLane = (tag: string, source: string, rule?: string): unknown => ({ tag, source, ...(rule === undefined ? {} : { rule }), lane: [tag, tag] });
const inBase: unknown = { source: 'none', lane: [null, null] };

/** A document with one group, shop: its entry is service `a`, and lane gray has the given rules. */
function document(
  match: Matcher | undefined,
  more: Partial<LaneGroupsDocument['groups'][0]['lanes'][0]> = {},
  rule: object = {},
): LaneGroupsDocument {
  return {
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['a', 'b'],
        entry: { services: ['a'] },
        lanes: [{ name: 'gray-lane', tag: 'gray', rules: [{ name: 'rule', ...(match === undefined ? {} : { match }), ...rule }], ...more }],
      },
    ],
  };
}

/** Opens when this many have arrived. */
function gate(count: number): { readonly arrive: () => void; readonly opened: Promise<void> } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let arrived = 0;
  return { opened, arrive: () => void (++arrived === count && open()) };
}

/** A middleware that reports when this many requests have passed. */
function passing(count: number): { readonly pass: express5.RequestHandler; readonly reached: Promise<void> } {
  const { arrive, opened } = gate(count);
  return {
    reached: opened,
    pass: (_request, _response, next) => {
      arrive();
      next();
    },
  };
}

/** Sends the bodies only after all handlers have run, alternating between requests. */
async function sendLate(port: number, reached: Promise<void>, tags: ReadonlyArray<string | undefined>): Promise<unknown[]> {
  const requests = tags.map((tag) =>
    http.request({
      host: '127.0.0.1',
      port,
      method: 'POST',
      headers: { ...tagged(tag), 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    }),
  );
  const answers = requests.map(answerOf);
  for (const request of requests) request.flushHeaders();
  await reached;
  for (const request of requests) request.write('{"a":');
  await setImmediate();
  for (const request of requests.toReversed()) request.end('1}');
  return Promise.all(answers);
}

/** Rules that would put everything into lane gray, and how often they were evaluated. */
function everythingGray(): { rules: () => LaneRules; asked: () => number } {
  const rules = compileLaneGroups(document({ path: { prefix: '/' } }));
  let asked = 0;
  return { rules: () => (asked++, rules), asked: () => asked };
}

describe.each([
  ['Express 4', express4 as unknown as typeof express5],
  ['Express 5', express5],
])('%s', (_, express) => {
  async function app(options?: LaneOptions): Promise<number> {
    return serve(express().use(lane(options)).get('/', tell));
  }

  test('an untagged request stays out of any lane, and out of AsyncLocalStorage', async () => {
    const port = await serve(
      express()
        .use(lane())
        .get(
          '/',
          (request, response) =>
            void response.json({ context: currentContext() ?? null, entered: hasEnteredLane(), own: Object.hasOwn(request, 'emit') }),
        ),
    );
    const before = hasEnteredLane();
    expect(await ask(port)).toEqual({ context: null, entered: before, own: false });
  });

  test('reads inbound tags, without any option', async () => {
    const port = await app();
    expect(await ask(port, { headers: tagged('gray') })).toEqual(inLane('gray', 'inbound'));
    expect(await ask(port, { headers: { baggage: ['user=42', 'lane=blue'] } })).toEqual(inLane('blue', 'inbound'));
    expect(await ask(port)).toEqual(inBase);
    expect(await ask(port, { headers: { baggage: 'user=42' } })).toEqual(inBase);
  });

  test('a malformed tag counts as none, and is counted', async () => {
    const handler = lane();
    const port = await serve(express().use(handler).get('/', tell));
    expect(await ask(port, { headers: { baggage: 'lane=gr%20ay' } })).toEqual(inBase);
    expect(handler.counts).toEqual({ conflicts: 0, malformed: 1 });
  });

  test('reads the formats listed, in their order, and the key given', async () => {
    const port = await app({ formatsIn: ['mse', 'baggage'], baggageKey: 'canary' });
    expect(await ask(port, { headers: { 'X-Mse-Tag': 'gray', baggage: 'canary=blue' } })).toEqual(inLane('gray', 'inbound'));
    expect(await ask(port, { headers: { baggage: 'lane=gray,canary=blue' } })).toEqual(inLane('blue', 'inbound'));
    expect(await ask(port, { headers: tagged('gray') })).toEqual(inBase);
    const written = await app({ formats: ['asm'] });
    expect(await ask(written, { headers: { ...tagged('blue'), 'x-asm-prefer-tag': 'gray' } })).toEqual(inLane('gray', 'inbound'));
  });

  test('concurrent requests do not mix, however they are interleaved', async () => {
    const tags = Array.from({ length: 60 }, (_unused, i) => ['gray', undefined, 'blue'][i % 3]);
    const { arrive, opened } = gate(tags.length);
    const port = await serve(
      express()
        .use(lane())
        .get('/', async (request, response) => {
          const lanes = [currentLane()];
          arrive();
          await opened;
          lanes.push(currentLane());
          for (let i = 0; i < (lanes[0]?.length ?? 0); i++) await setImmediate();
          lanes.push(currentLane(), request.lane?.tag);
          response.json(lanes.map((tag) => tag ?? null));
        }),
    );
    const answers = await Promise.all(tags.map((tag) => ask(port, { headers: tagged(tag) })));
    expect(answers).toEqual(tags.map((tag) => Array.from({ length: 4 }, () => tag ?? null)));
  });

  test('a kept-alive socket does not pass a lane on to the next request', async () => {
    const agent = oneSocket();
    const seen: unknown[] = [];
    const sockets = new Set<Socket>();
    const port = await serve(
      express()
        .use(lane())
        .post('/', (request, response) => {
          sockets.add(request.socket);
          seen.push(currentContext()?.tag ?? null);
          request.on('data', () => seen.push(currentContext()?.tag ?? null));
          request.on('end', () => response.json({}));
        }),
    );
    const tags = ['gray', undefined, 'blue', undefined, undefined, 'gray'];
    for (const tag of tags) await ask(port, { method: 'POST', headers: tagged(tag), agent, body: 'x' });
    expect(sockets.size).toBe(1);
    expect(seen).toEqual(tags.flatMap((tag) => [tag ?? null, tag ?? null]));
  });

  describe('bodies that arrive after their headers', () => {
    const tags = ['gray', undefined, 'blue', 'gray', undefined, 'blue', 'green', undefined];

    test('listeners on request and response run in the lane', async () => {
      const { pass, reached } = passing(tags.length);
      const finished: unknown[] = [];
      const port = await serve(
        express()
          .use(lane(), pass)
          .post('/', (request, response) => {
            const seen: unknown[] = [];
            request.on('data', () => seen.push(currentLane() ?? null));
            request.on('end', () => {
              seen.push(currentLane() ?? null);
              response.json({
                expected: request.lane?.tag ?? null,
                others: seen.filter((tag) => tag !== (request.lane?.tag ?? null)),
                chunks: seen.length > 1,
              });
            });
            response.on('finish', () => finished.push([request.lane?.tag, currentLane()]));
          }),
      );
      const answers = await sendLate(port, reached, tags);
      expect(answers).toEqual(tags.map((tag) => ({ expected: tag ?? null, others: [], chunks: true })));
      await expect.poll(() => finished.length).toBe(tags.length);
      for (const [expected, seen] of finished as unknown[][]) expect(seen).toBe(expected);
    });

    test('a lost client is reported in the lane of its request', async () => {
      const { pass, reached } = passing(tags.length);
      const { arrive, opened } = gate(tags.length);
      const seen: unknown[] = [];
      const port = await serve(
        express()
          .use(lane(), pass)
          .get('/', (request, response) => {
            response.on('close', () => {
              seen.push([request.lane?.tag, currentLane()]);
              arrive();
            });
          }),
      );
      const requests = tags.map((tag) => http.get({ host: '127.0.0.1', port, headers: tagged(tag) }).on('error', () => {}));
      await reached;
      for (const request of requests) request.destroy();
      await opened;
      for (const [expected, found] of seen as unknown[][]) expect(found).toBe(expected);
    });

    test('another middleware can still wrap emit', async () => {
      const port = await serve(
        express()
          .use(lane(), (request, _response, next) => {
            const inherited = request.emit.bind(request) as (...args: unknown[]) => boolean;
            request.emit = (...args: unknown[]) => inherited(...args);
            next();
          })
          .post('/', (request, response) => void request.resume().on('end', () => response.json(currentLane() ?? null))),
      );
      expect(await ask(port, { method: 'POST', headers: tagged('gray'), body: 'x' })).toBe('gray');
    });

    test('handlers after a body parser that runs after the plugin', async () => {
      const { pass, reached } = passing(tags.length);
      const port = await serve(
        express()
          .use(lane(), pass, express.json())
          .post('/', async (request, response) => {
            const now = currentLane();
            await setImmediate();
            response.json([(request.body as { a: number }).a, now ?? null, currentLane() ?? null]);
          }),
      );
      expect(await sendLate(port, reached, tags)).toEqual(tags.map((tag) => [1, tag ?? null, tag ?? null]));
    });

    test('handlers after a hand-made body parser, which calls next from an event of the socket', async () => {
      const { pass, reached } = passing(tags.length);
      const port = await serve(
        express()
          .use(lane(), pass, (request, _response, next) => {
            request.resume().on('end', () => next());
          })
          .post('/', (_request, response) => void response.json(currentLane() ?? null)),
      );
      expect(await sendLate(port, reached, tags)).toEqual(tags.map((tag) => tag ?? null));
    });

    test('handlers after a body parser that runs before the plugin', async () => {
      const { pass, reached } = passing(tags.length);
      const port = await serve(
        express()
          .use(pass, express.json(), lane())
          .post('/', (request, response) => void response.json([(request.body as { a: number }).a, currentLane() ?? null])),
      );
      expect(await sendLate(port, reached, tags)).toEqual(tags.map((tag) => [1, tag ?? null]));
    });
  });

  describe('decided once', () => {
    test('two plugins in a row: the first decides', async () => {
      const second = everythingGray();
      const port = await serve(
        express()
          .use(lane({ trust: 'none' }))
          .use(lane({ service: 'a', rules: second.rules }))
          .get('/', tell),
      );
      expect(await ask(port, { headers: tagged('blue') })).toEqual(inBase);
      expect(await ask(port)).toEqual(inBase);
      expect(second.asked()).toBe(0);
    });

    test("a nested app with its own plugin uses the outer app's decision", async () => {
      const inner = everythingGray();
      const port = await serve(
        express()
          .use(lane())
          .use(
            '/shop',
            express()
              .use(lane({ service: 'a', rules: inner.rules }))
              .get('/', tell),
          ),
      );
      expect(await ask(port, { path: '/shop', headers: tagged('blue') })).toEqual(inLane('blue', 'inbound'));
      expect(await ask(port, { path: '/shop' })).toEqual(inBase);
      expect(inner.asked()).toBe(0);
    });

    test('a nested app with the only plugin decides by the whole path', async () => {
      const nested = express().use(lane({ service: 'a', rules: document({ path: { exact: '/shop/cart' } }) }));
      const port = await serve(express().use('/shop', nested.get('/cart', tell).get('/', tell)));
      expect(await ask(port, { path: '/shop/cart?x=1' })).toEqual(inLane('gray', 'rule', 'shop/gray-lane/rule'));
      expect(await ask(port, { path: '/shop' })).toEqual(inBase);
    });

    test.each<[mark: RequestTag, expected: unknown]>([
      [{ tag: 'blue', source: 'rule', rule: 'shop/blue-lane/staff' }, inLane('blue', 'rule', 'shop/blue-lane/staff')],
      [{ tag: 'green', source: 'inbound' }, inLane('green', 'inbound')],
      [{ tag: undefined, source: 'none' }, inBase],
    ])("uses the agent's decision unchanged: %j", async (mark, expected) => {
      const own = everythingGray();
      const port = await serve(
        express()
          .use((request, _response, next) => {
            (request as { [MARK]?: RequestTag })[MARK] = mark;
            runInLane(mark.tag, () => next());
          })
          .use(lane({ service: 'a', rules: own.rules, stamp: true, tag: 'own', log: SILENT_LOG }))
          .get('/', tell),
      );
      expect(await ask(port, { headers: tagged('gray') })).toEqual(expected);
      expect(own.asked()).toBe(0);
    });

    test('logs once that the agent makes rules ineffective; two plugins are not logged', async () => {
      const told: string[] = [];
      const log: Log = { error: (message) => told.push(message), warn: (message) => told.push(message), info() {}, debug() {} };
      const { rules } = everythingGray();
      const port = await serve(
        express()
          .use('/agent', (request, _response, next) => {
            (request as { [MARK]?: RequestTag })[MARK] = { tag: undefined, source: 'none' };
            next();
          })
          .use(lane({ service: 'a', rules, log }), lane({ service: 'a', rules, log }))
          .use(tell),
      );
      await ask(port);
      expect(told).toEqual([]);
      await ask(port, { path: '/agent' });
      await ask(port, { path: '/agent' });
      expect(told).toEqual([expect.stringContaining('LANE_RULES')]);
    });

    test('a lane that a middleware in between lost is entered again', async () => {
      const port = await serve(
        express()
          .use(lane(), (_request, _response, next) => runInLane('lost', () => next()), lane())
          .get('/', tell),
      );
      expect(await ask(port, { headers: tagged('gray') })).toEqual(inLane('gray', 'inbound'));
      expect(await ask(port)).toEqual(inBase);
    });

    test('the plugin leaves the mark by which others know', async () => {
      const port = await serve(
        express()
          .use(lane())
          .get('/', (request, response) => void response.json((request as { [MARK]?: RequestTag })[MARK] === request.lane)),
      );
      expect(await ask(port, { headers: tagged('gray') })).toBe(true);
      expect(await ask(port)).toBe(true);
    });
  });

  describe('entry rules', () => {
    const gray = inLane('gray', 'rule', 'shop/gray-lane/rule');

    test.each<[what: string, match: Matcher, hit: Ask, miss: Ask]>([
      ['host', { host: { exact: 'www.example.com' } }, { headers: { host: 'WWW.example.com:8080' } }, { headers: { host: 'example.com' } }],
      ['path', { path: { prefix: '/x' } }, { path: '/x/y?z=1' }, { path: '/?x=/x' }],
      ['method', { method: { in: ['PUT'] } }, { method: 'PUT' }, { method: 'GET' }],
      ['header', { header: 'X-User', in: ['alice'] }, { headers: { 'x-user': 'alice' } }, { headers: { 'x-user': 'bob' } }],
      ['cookie', { cookie: 'beta', exact: '1' }, { headers: { cookie: 'a=b; beta=1' } }, { headers: { cookie: 'a=b; beta=0' } }],
      ['query', { query: 'beta', present: true }, { path: '/?beta=1' }, { path: '/?alpha=1' }],
      ['regex', { header: 'x-user', regex: '^[a-m]' }, { headers: { 'x-user': 'alice' } }, { headers: { 'x-user': 'zoe' } }],
    ])('by %s', async (_what, match, hit, miss) => {
      const port = await serve(
        express()
          .use(lane({ service: 'a', rules: document(match) }))
          .use(tell),
      );
      expect(await ask(port, hit)).toEqual(gray);
      expect(await ask(port, miss)).toEqual(inBase);
    });

    test('by the client’s address, behind a proxy as Express determines it', async () => {
      const rules = document({ clientIp: { in: ['203.0.113.0/24'] } });
      const direct = await app({ service: 'a', rules });
      const behind = express()
        .set('trust proxy', 'loopback')
        .use(lane({ service: 'a', rules }))
        .get('/', tell);
      const forwarded = { headers: { 'x-forwarded-for': '203.0.113.9' } };
      expect(await ask(direct, forwarded)).toEqual(inBase);
      expect(await ask(await serve(behind), forwarded)).toEqual(gray);
      expect(await ask(await app({ service: 'a', rules: document({ clientIp: { in: ['127.0.0.0/8'] } }) }))).toEqual(gray);
    });

    test('by percentage: everybody, nobody, and sticky in between', async () => {
      expect(await ask(await app({ service: 'a', rules: document(undefined, {}, { percent: 100 }) }))).toEqual(gray);
      expect(await ask(await app({ service: 'a', rules: document(undefined, {}, { percent: 0 }) }))).toEqual(inBase);
      const port = await app({ service: 'a', rules: document(undefined, {}, { percent: 40, by: { header: 'x-user' } }) });
      const users = Array.from({ length: 40 }, (_unused, i) => `user-${i}`);
      const chosen = users.filter((user) => isKeyWithin(40, 'rule', user));
      expect(chosen.length).toBeGreaterThan(5);
      expect(chosen.length).toBeLessThan(35);
      for (const user of users) expect(await ask(port, { headers: { 'x-user': user } })).toEqual(chosen.includes(user) ? gray : inBase);
    });

    test('an inbound tag takes precedence over a rule, a rule over the stamp', async () => {
      const port = await app({ service: 'a', tag: 'own', stamp: true, rules: document({ header: 'x-user', present: true }) });
      expect(await ask(port, { headers: { ...tagged('blue'), 'x-user': 'alice' } })).toEqual(inLane('blue', 'inbound'));
      expect(await ask(port, { headers: { 'x-user': 'alice' } })).toEqual(gray);
      expect(await ask(port)).toEqual(inLane('own', 'stamp'));
    });

    test('without stamping, no request gets the own tag', async () => {
      expect(await ask(await app({ tag: 'own' }))).toEqual(inBase);
    });

    test('are only those of this service', async () => {
      expect(await ask(await app({ service: 'b', rules: document({ path: { prefix: '/' } }) }))).toEqual(inBase);
    });

    test('no request enters a disabled lane: neither by tag, nor by rule, nor by stamp', async () => {
      const port = await app({ service: 'a', tag: 'gray', stamp: true, rules: document({ path: { prefix: '/' } }, { enabled: false }) });
      expect(await ask(port, { headers: tagged('gray') })).toEqual(inBase);
      expect(await ask(port)).toEqual(inBase);
      expect(await ask(port, { headers: tagged('blue') })).toEqual(inLane('blue', 'inbound'));
    });

    test('compiled, or as a function that returns the current ones', async () => {
      expect(await ask(await app({ service: 'a', rules: compileLaneGroups(document({ path: { prefix: '/' } })) }))).toEqual(gray);
      let inForce: LaneRules | undefined;
      const port = await app({ service: 'a', rules: () => inForce });
      expect(await ask(port)).toEqual(inBase);
      inForce = compileLaneGroups(document({ path: { prefix: '/' } }));
      expect(await ask(port)).toEqual(gray);
      inForce = compileLaneGroups(document({ path: { prefix: '/x' } }));
      expect(await ask(port)).toEqual(inBase);
      inForce = undefined;
      expect(await ask(port)).toEqual(inBase);
    });

    test('a failing function does not fail the request: the rules stay the same, and the failure is logged', async () => {
      const told: string[] = [];
      const log: Log = { error: (message) => told.push(message), warn() {}, info() {}, debug() {} };
      let fails = false;
      const rules = compileLaneGroups(document({ header: 'x-user', present: true }));
      const port = await app({
        service: 'a',
        log,
        rules: () => {
          if (fails) throw new Error('no rules today');
          return rules;
        },
      });
      const staff = { headers: { 'x-user': 'alice' } };
      expect(await ask(port, staff)).toEqual(gray);
      fails = true;
      expect(await ask(port, staff)).toEqual(gray);
      expect(await ask(port, { headers: tagged('blue') })).toEqual(inLane('blue', 'inbound'));
      expect(told).toHaveLength(2);
      expect(told[0]).toContain('no rules today');
    });

    test('without a log there is one process warning', async () => {
      const warnings: Error[] = [];
      const listener = (warning: Error): void => void (warning.name === 'LaneWarning' && warnings.push(warning));
      process.on('warning', listener);
      try {
        const port = await app({
          service: 'a',
          rules: () => {
            throw new Error(`no rules at ${port}`);
          },
        });
        await ask(port);
        await ask(port);
        expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining(`no rules at ${port}`)]);
      } finally {
        process.off('warning', listener);
      }
    });
  });

  describe('trust', () => {
    test.each<[trust: LaneOptions['trust'], believed: boolean]>([
      ['all', true],
      ['none', false],
      [['10.0.0.0/8', '127.0.0.0/8'], true],
      [['127.0.0.1'], true],
      [['10.0.0.0/8', '::1'], false],
    ])('%j: trusted: %j', async (trust, believed) => {
      const port = await app({ trust });
      expect(await ask(port, { headers: tagged('gray') })).toEqual(believed ? inLane('gray', 'inbound') : inBase);
      expect(await ask(port, { headers: tagged('gray') })).toEqual(believed ? inLane('gray', 'inbound') : inBase);
    });

    test('depends on the peer, whatever it says about forwarded clients', async () => {
      const port = await serve(
        express()
          .set('trust proxy', true)
          .use(lane({ trust: ['10.0.0.0/8'] }))
          .get('/', tell),
      );
      expect(await ask(port, { headers: { ...tagged('gray'), 'x-forwarded-for': '10.0.0.1' } })).toEqual(inBase);
    });

    test('an untrusted request can still match a rule, and be stamped', async () => {
      const port = await app({ trust: 'none', service: 'a', tag: 'own', stamp: true, rules: document({ header: 'x-user', present: true }) });
      expect(await ask(port, { headers: { ...tagged('blue'), 'x-user': 'alice' } })).toEqual(inLane('gray', 'rule', 'shop/gray-lane/rule'));
      expect(await ask(port, { headers: tagged('blue') })).toEqual(inLane('own', 'stamp'));
    });
  });

  test('errors reach the error handler, in the lane', async () => {
    const port = await serve(
      express()
        .use(lane())
        .get('/', () => {
          throw new Error('broken');
        })
        .use(
          (error: Error, _request: Request, response: Response, _next: express5.NextFunction) =>
            void response.json([error.message, currentLane() ?? null]),
        ),
    );
    expect(await ask(port, { headers: tagged('gray') })).toEqual(['broken', 'gray']);
    expect(await ask(port)).toEqual(['broken', null]);
  });

  test('an app that was started within a lane serves untagged requests as base', async () => {
    const port = await runInLane('around', () => serve(express().use(lane()).get('/', tell)));
    expect(await ask(port)).toEqual(inBase);
    expect(await ask(port, { headers: tagged('gray') })).toEqual(inLane('gray', 'inbound'));
  });
});
