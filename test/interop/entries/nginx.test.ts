/** Real nginx, with what `lane gateway export nginx` has written. */
import fc from 'fast-check';
import { compileLaneGroups, requestView, type LaneGroupsDocument, type Matcher } from '@lane/core';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../servers/process.js';
import type { Proxy } from './proxy.js';
import { ask, SHOP, sourceOf, startInstances, type Got, type Instances } from './entry.js';
import { startNginx } from './nginx.js';
import { scenario } from './scenario.js';

let instances: Instances;
beforeAll(async () => {
  instances = await startInstances(['gray']);
});
afterAll(() => instances.stop());

describe('the scenario through nginx', () => {
  let nginx: Proxy;
  beforeAll(async () => {
    const port = await freePort();
    const { text, remarks } = exportRules('nginx', sourceOf(instances, SHOP, port));
    expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
    nginx = await startNginx(text, port);
  });
  afterAll(() => nginx.stop());
  scenario(() => nginx.port);
});

describe('routes in nginx', () => {
  test('go by host and path as Kubernetes Ingress has them, and by lane', async () => {
    const port = await freePort();
    const service = 'spring-cloud-a';
    const source = sourceOf(instances, SHOP, port);
    const { text } = exportRules('nginx', {
      ...source,
      document: undefined,
      routes: [
        { host: 'www.example.com', path: '/a', service, tag: 'gray' },
        { host: 'www.example.com', path: '/exact', pathType: 'exact', service },
        { host: '*.example.com', path: '/', service, tag: 'gray' },
        { host: 'blue.test', service, tag: 'blue' },
        { host: 'none.test', service: 'nobody' },
      ],
    });
    const nginx = await startNginx(text, port);
    try {
      const name = async (host: string, path: string): Promise<string | number> => {
        const got = await ask(port, { host, path });
        return typeof got === 'number' ? got : got.name;
      };
      expect(await name('www.example.com', '/a')).toBe('gray');
      expect(await name('www.example.com', '/a/b?c')).toBe('gray');
      expect(await name('www.example.com', '/exact')).toBe('base');
      expect(await name('www.example.com', '/ab')).toBe('gray');
      expect(await name('x.example.com', '/')).toBe('gray');
      expect(await name('x.y.example.com', '/')).toBe(404);
      expect(await name('blue.test', '/')).toBe('base');
      expect(await name('none.test', '/')).toBe(503);
      expect(await name('elsewhere', '/')).toBe(404);
    } finally {
      await nginx.stop();
    }
  });
});

/** Few values, so that rules and requests meet. */
const value = fc.constantFrom('a', 'A', 'b', 'ab', 'a.b', 'aXb', 'a b', 'a+b', '$a', '(a)', 'a\\d', '"a"');
const plain = fc.constantFrom('a', 'A', 'b', 'ab', 'a.b', 'aXb', 'a-b');
const regex = fc.constantFrom('^a', 'b$', '^[ab]+$', 'a|b', '^a.b$', '\\d', '^(?:a|ab)$');
const comparison = (text: fc.Arbitrary<string>): fc.Arbitrary<object> =>
  fc.oneof(
    fc.record({ exact: text }),
    fc.record({ prefix: text }),
    fc.record({ suffix: text }),
    fc.record({ in: fc.array(text, { minLength: 1, maxLength: 3 }) }),
    fc.record({ present: fc.boolean() }),
    fc.record({ not: fc.record({ exact: text }) }),
  );
const named = (
  key: string,
  names: readonly string[],
  text: fc.Arbitrary<string>,
  more: fc.Arbitrary<object> = comparison(text),
): fc.Arbitrary<Matcher> =>
  fc.tuple(fc.constantFrom(...names), fc.oneof(comparison(text), more)).map(([name, match]) => ({ [key]: name, ...match }) as unknown as Matcher);
const leaf: fc.Arbitrary<Matcher> = fc.oneof(
  named('header', ['x-a', 'x-b'], value, fc.record({ regex })),
  named('cookie', ['a', 'b.c'], plain, fc.record({ regex })),
  named('query', ['a', 'b'], fc.oneof(plain, fc.constantFrom('a b', 'a+b', 'ü'))),
  fc
    .oneof(comparison(fc.constantFrom('www.example.com', 'a.test', '.test', 'www.')), fc.record({ regex: fc.constantFrom('^WWW\\.', 'test$') }))
    .map((host) => ({ host }) as Matcher),
  fc
    .oneof(comparison(fc.constantFrom('/a', '/a/b', '/A', '/a%20b')), fc.record({ regex: fc.constantFrom('^/a', 'b$') }))
    .map((path) => ({ path }) as Matcher),
  comparison(fc.constantFrom('get', 'POST')).map((method) => ({ method }) as Matcher),
  fc.constantFrom<Matcher>({ clientIp: { in: ['127.0.0.0/8'] } }, { clientIp: { in: ['10.0.0.0/8', '::1'] } }),
);
const matcher: fc.Arbitrary<Matcher> = fc.letrec<{ matcher: Matcher }>((tie) => ({
  matcher: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('matcher'), { minLength: 1, maxLength: 3 }).map((all) => ({ all })),
    fc.array(tie('matcher'), { minLength: 1, maxLength: 3 }).map((any) => ({ any })),
    tie('matcher').map((not) => ({ not })),
  ),
})).matcher;

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 });
const request = fc.record({
  host: fc.constantFrom('www.example.com', 'WWW.Example.com:80', 'a.test', 'other'),
  path: fc
    .tuple(
      fc.constantFrom('/a', '/a/b', '/A', '/a%20b', '/', '/ab'),
      fc.constantFrom('', '?', '?a=a', '?a', '?a=', '?a=a%20b', '?a=a+b', '?a=a%2Bb', '?b=ab&a=b', '?a=b&a=a', '?a=%C3%BC', '?aa=a', '?A=a'),
    )
    .map(([path, query]) => path + query),
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  'x-a': optional(value),
  'x-b': optional(value),
  cookie: optional(fc.constantFrom('a=a', 'a=ab; b.c=b', 'b.c=a-b;a=A', 'a="a"', 'a=', 'aa=a', 'a=b; a=a', 'x=1;  a = a ; y=2', 'bXc=a', 'A=a')),
});

describe('the same rules in nginx and in Lane', () => {
  test('put the same random requests into the same lanes', async () => {
    const all = await startInstances([]);
    const port = await freePort();
    let compared = 0;
    let tagged = 0;
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(matcher, { minLength: 1, maxLength: 4 }),
          fc.array(request, { minLength: 60, maxLength: 60 }),
          async (matchers, requests) => {
            const document: LaneGroupsDocument = {
              version: 1,
              groups: [
                {
                  name: 'g',
                  services: ['spring-cloud-a'],
                  entry: { services: ['lane-gateway'] },
                  lanes: matchers.map((match, i) => ({ name: `lane${i}`, tag: `lane${i}`, rules: [{ name: 'rule', match }] })),
                },
              ],
            };
            const { text, remarks } = exportRules('nginx', sourceOf(all, document, port));
            expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
            const rules = compileLaneGroups(document).entryOf('lane-gateway');
            const nginx = await startNginx(text, port);
            try {
              for (const { host, path, method, ...given } of requests) {
                const headers = Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined)) as Record<string, string>;
                const view = requestView({ method, url: path, headers: { host, ...headers }, clientIp: '127.0.0.1' });
                const expected = rules?.match(view, Math.random)?.tag;
                const got = (await ask(port, { host, path, method, headers })) as Got;
                expect(got.headers.baggage, JSON.stringify({ host, path, method, headers })).toBe(
                  expected === undefined ? undefined : `lane=${expected}`,
                );
                compared++;
                if (expected !== undefined) tagged++;
              }
            } finally {
              await nginx.stop();
            }
          },
        ),
        { numRuns: 25, endOnFailure: true },
      );
    } finally {
      await all.stop();
    }
    expect(compared).toBe(25 * 60);
    // Both sides were met.
    expect(tagged).toBeGreaterThan(0);
    expect(compared - tagged).toBeGreaterThan(0);
  });
});
