/** Random entry rules and requests: a gateway configured by an export must put each request into the same lane as Lane itself. */
import { compileLaneGroups, requestView, type LaneGroupsDocument, type Matcher } from '@lane/core/rules';
import { exportRules } from '@lane/gateway';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { ask, sourceOf, startInstances, type Got } from './entry.js';
import type { Proxy } from './proxy.js';

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

/** Whether a request repeats a cookie or a query parameter. */
function hasTwo(path: string, cookie: string | undefined): boolean {
  return path.endsWith('a=b&a=a') || cookie === 'a=b; a=a';
}

const REQUESTS = 60;
/** The same in each run; LANE_TEST_SEED gives others. */
const SEED = Number(process.env['LANE_TEST_SEED'] ?? 1);

/** Options of {@link sameLanes}. */
export interface SameLanesOptions {
  readonly documents: number;
  /** Whether the target cannot express all conditions: skips lane groups for which the export reports a gap. */
  readonly hasGaps?: boolean;
  /** Whether any of several cookies or query parameters with one name counts, not only the first. */
  readonly eitherOfTwo?: boolean;
}

/** Adds the test. */
export function sameLanes(
  target: string,
  start: (configuration: string, port: number) => Promise<Proxy>,
  { documents, hasGaps = false, eitherOfTwo = false }: SameLanesOptions,
): void {
  test(`put the same ${documents * REQUESTS} random requests into the same lanes`, async () => {
    const all = await startInstances([]);
    const port = await freePort();
    let tagged = 0;
    let untagged = 0;
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(matcher, { minLength: 1, maxLength: 4 }),
          fc.array(eitherOfTwo ? request.filter(({ path, cookie }) => !hasTwo(path, cookie)) : request, { minLength: REQUESTS, maxLength: REQUESTS }),
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
            const { text, remarks } = exportRules(target, sourceOf(all, document, port));
            const gaps = remarks.filter(({ kind }) => kind === 'gap');
            if (hasGaps) fc.pre(gaps.length === 0);
            else expect(gaps).toEqual([]);
            const rules = compileLaneGroups(document).entryOf('lane-gateway');
            const proxy = await start(text, port);
            try {
              await Promise.all(
                requests.map(async ({ host, path, method, ...given }) => {
                  const headers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Record<string, string>;
                  const view = requestView({ method, url: path, headers: { host, ...headers }, clientIp: '127.0.0.1' });
                  const expected = rules?.match(view, Math.random)?.tag;
                  const got = (await ask(port, { host, path, method, headers })) as Got;
                  const wanted = expected === undefined ? undefined : `lane=${expected}`;
                  expect(got.headers.baggage, JSON.stringify({ host, path, method, headers })).toBe(wanted);
                  if (expected === undefined) untagged++;
                  else tagged++;
                }),
              );
            } finally {
              await proxy.stop();
            }
          },
        ),
        { numRuns: documents, endOnFailure: true, seed: SEED },
      );
    } finally {
      await all.stop();
    }
    expect(tagged + untagged).toBe(documents * REQUESTS);
    // Requests matched, and others did not.
    expect(tagged).toBeGreaterThan(0);
    expect(untagged).toBeGreaterThan(0);
  });
}
