/** What exports say, where no program of the target is at hand; nginx, HAProxy, Envoy and Spring Cloud Gateway run in test/interop/entries. */
import type { EntryRule, Lane, LaneGroupsDocument } from '@lane/core/rules';
import fc from 'fast-check';
import { instanceAt as instance } from '@lane/testing';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { hexBelow } from './apisix.js';
import { EXPORT_TARGETS, exportRules, type Exported, type ExportSource } from './index.js';

const INSTANCES = [instance(20001), instance(20002, 'gray')];

/** A lane group whose entry is the gateway. */
const shop = (rules: readonly EntryRule[], lane: Partial<Lane> = {}): LaneGroupsDocument => ({
  version: 1,
  groups: [{ name: 'shop', services: ['a'], entry: { services: ['lane-gateway'] }, lanes: [{ name: 'gray', tag: 'gray', rules, ...lane }] }],
});
const BY_HOST: EntryRule = { name: 'by-host', match: { host: { exact: 'www.example.com' } } };

function source(document: LaneGroupsDocument | undefined, more: Partial<ExportSource> = {}): ExportSource {
  return {
    document,
    formats: ['baggage'],
    routes: [{ host: '*', service: 'a' }],
    instancesOf: (service) => (service === 'a' ? INSTANCES : undefined),
    ...more,
  };
}
/** Those that name Services of Kubernetes need no addresses. */
const TARGETS = EXPORT_TARGETS.map(({ name }) => name);
const OF_KUBERNETES = EXPORT_TARGETS.filter(({ needsAddresses }) => !needsAddresses).map(({ name }) => name);
const exported = (target: string, rules: readonly EntryRule[], more: Partial<ExportSource> = {}): Exported =>
  exportRules(target, source(shop(rules), { ...(OF_KUBERNETES.includes(target) ? { instancesOf: () => undefined } : {}), ...more }));
const gapsOf = (target: string, rules: readonly EntryRule[], more: Partial<ExportSource> = {}): string[] =>
  exported(target, rules, more)
    .remarks.filter(({ kind }) => kind === 'gap')
    .map(({ rule, message }) => `${rule ?? '-'}: ${message}`);

describe.each(TARGETS)('an export for %s', (target) => {
  test('starts with a comment that says what it is for and what it does not express', () => {
    const { text, remarks } = exported(target, [{ name: 'sticky', percent: 5, by: { cookie: 'uid' } }]);
    expect(text).toMatch(new RegExp(`^# Lane: entry rules and routes for .*, written by \`lane gateway export ${target}\``));
    for (const { kind, message } of remarks) if (kind === 'gap') expect(text).toMatch(new RegExp(`^# NOT EXPRESSED: .*${message.slice(0, 20)}`, 'm'));
  });

  test('has only rules of enabled lanes, of groups whose entry is the gateway or its service', () => {
    const of = (document: LaneGroupsDocument): boolean => exportRules(target, source(document)).text.search(/x[-_]who/) !== -1;
    const rules: EntryRule[] = [{ name: 'who', match: { header: 'x-who', exact: 'alice' } }];
    const group = shop(rules).groups[0] as LaneGroupsDocument['groups'][number];
    expect(of(shop(rules))).toBe(true);
    expect(of(shop(rules, { enabled: false }))).toBe(false);
    expect(of({ version: 1, groups: [{ ...group, entry: { services: ['a'] } }] })).toBe(true);
    expect(of({ version: 1, groups: [{ ...group, entry: { services: ['b'] } }] })).toBe(false);
  });

  test('omits a rule of 0 percent, and writes one of 100 percent without a percentage', () => {
    const never = exported(target, [{ ...BY_HOST, percent: 0 }]);
    expect(never.text).not.toMatch(/lane=gray|lane: gray/);
    expect(exported(target, [{ ...BY_HOST, percent: 100 }]).text).toBe(exported(target, [BY_HOST]).text);
  });

  test('removes the lane headers of every format from client requests', () => {
    const { text } = exported(target, [BY_HOST]);
    for (const header of ['x-mse-tag', 'service-lane', 'dubbo.tag', 'x-asm-prefer-tag', 'n-d-version']) expect(text).toContain(header);
  });

  test('reports that it omits a canary of an Ingress', () => {
    const canaries = [{ target: { service: 'a', tag: 'gray' }, rules: [{ name: 'weight', percent: 5 }] }];
    expect(gapsOf(target, [], { routes: [{ host: 'www.example.com', service: 'a', canaries }] })).toContainEqual(
      expect.stringContaining('the canary of host www.example.com and path / is not exported'),
    );
  });
});

describe.each(TARGETS.filter((target) => !OF_KUBERNETES.includes(target)))('addresses in an export for %s:', (target) => {
  test("are sorted, whatever the registry's order", () => {
    const rules = [BY_HOST];
    const turned = exported(target, rules, { instancesOf: () => [...INSTANCES].reverse() });
    expect(turned.text).toBe(exported(target, rules).text);
  });

  test('report a service without known addresses, with the remedy', () => {
    expect(gapsOf(target, [BY_HOST], { routes: [{ host: '*', service: 'nobody' }] })).toContainEqual(
      '-: no address of service nobody is known: set it with --upstream nobody=host:port, or start it',
    );
  });

  test('lead a lane without instances to base, and with fallback none nowhere', () => {
    const onlyBase = { instancesOf: () => [instance(20001)] };
    const tolerant = exportRules(target, source(shop([BY_HOST]), onlyBase)).text;
    const strict = exportRules(target, source(shop([BY_HOST], { fallback: 'none' }), onlyBase)).text;
    expect(tolerant).not.toContain('503');
    expect(strict).toContain('503');
  });

  test('omit instances that may not serve, and say how the others share', () => {
    const all = [
      instance(20001, undefined, { weight: 2 }),
      instance(20003, undefined, { weight: 1 }),
      instance(20004, undefined, { healthy: false }),
      instance(20005, undefined, { enabled: false }),
      instance(20006, undefined, { weight: 0 }),
    ];
    const { text } = exported(target, [], { instancesOf: () => all });
    for (const port of ['20001', '20003']) expect(text).toContain(port);
    for (const port of ['20004', '20005', '20006']) expect(text).not.toContain(port);
    expect(text).toMatch(/\b100\b/);
    expect(text).toMatch(/\b50\b/);
  });
});

describe('nginx', () => {
  test('reports what its variables cannot express', () => {
    expect(gapsOf('nginx', [{ name: 'empty', match: { header: 'x-a', exact: '' } }])).toEqual([
      'shop/gray/empty: header x-a: an empty header and none are the same to nginx; the rule is left out',
    ]);
    expect(gapsOf('nginx', [{ name: 'dotted', match: { header: 'x.a', exact: 'b' } }])).toEqual([
      expect.stringContaining('nginx has variables only'),
    ]);
  });

  test('writes the tag in each configured format', () => {
    const { text } = exported('nginx', [BY_HOST], { formats: ['mse', 'dubbo'] });
    expect(text).toContain('x-mse-gray-tag=${lane_');
    expect(text).not.toContain('"lane=$');
    expect(text).toMatch(/proxy_set_header x-mse-tag \$lane_/);
    expect(text).toMatch(/proxy_set_header dubbo\.tag \$lane_/);
    expect(text).toContain('proxy_set_header n-d-version "";');
  });
});

describe('APISIX', () => {
  interface Route {
    readonly name: string;
    readonly priority: number;
    readonly uris: string[];
    readonly hosts?: string[];
    readonly vars?: unknown[];
    readonly upstream_id?: string;
    readonly plugins: { 'serverless-pre-function': { phase: string; functions: string[] } };
  }
  const routesOf = (rules: readonly EntryRule[], more: Partial<ExportSource> = {}): Route[] =>
    (parse(exported('apisix', rules, more).text) as { routes: Route[] }).routes;

  test('is a file for standalone mode: routes by priority, upstreams, and the required end marker', () => {
    const { text } = exported('apisix', [BY_HOST]);
    expect(text.endsWith('\n#END\n')).toBe(true);
    const { routes, upstreams } = parse(text) as { routes: Route[]; upstreams: Array<{ id: string; nodes: object[] }> };
    expect(upstreams).toEqual([
      { id: 'a', type: 'roundrobin', nodes: [{ host: '10.0.0.1', port: 20001, weight: 1 }] },
      { id: 'a--gray', type: 'roundrobin', nodes: [{ host: '10.0.0.1', port: 20002, weight: 1 }] },
    ]);
    expect(routes.map(({ name, upstream_id }) => [name, upstream_id])).toEqual([
      ['shop/gray/by-host', 'a--gray'],
      ['a', 'a'],
    ]);
    const [rule, rest] = routes as [Route, Route];
    expect(rule.priority).toBeGreaterThan(rest.priority);
    expect(rest.vars).toBeUndefined();
  });

  test.each<[what: string, match: EntryRule['match'], vars: unknown[]]>([
    ['a header', { header: 'X-User', exact: 'alice' }, [['http_x_user', '==', 'alice']]],
    ['one of several', { header: 'x-user', in: ['alice', 'bob'] }, [['http_x_user', 'in', ['alice', 'bob']]]],
    ['a cookie', { cookie: 'release', exact: 'gray' }, [['cookie_release', '==', 'gray']]],
    ['a query', { query: 'v', present: true }, [['arg_v', '~~', '^']]],
    ['a prefix of the path', { path: { prefix: '/a.b' } }, [['uri', '~~', '^/a\\.b']]],
    ['a host, whatever its case', BY_HOST.match, [['host', '~*', '^www\\.example\\.com$']]],
    ['a network', { clientIp: { in: ['10.0.0.0/8'] } }, [['remote_addr', 'ipmatch', ['10.0.0.0/8']]]],
    ['what is not so', { not: { header: 'x-user', exact: 'alice' } }, [['http_x_user', '!', '==', 'alice']]],
    [
      'alternatives of what must all hold',
      {
        any: [
          { header: 'x-a', exact: '1' },
          {
            all: [
              { header: 'x-b', exact: '2' },
              { cookie: 'c', exact: '3' },
            ],
          },
        ],
      },
      ['OR', ['http_x_a', '==', '1'], ['AND', ['http_x_b', '==', '2'], ['cookie_c', '==', '3']]],
    ],
    [
      'what is not both',
      {
        not: {
          all: [
            { header: 'x-a', exact: '1' },
            { header: 'x-b', exact: '2' },
          ],
        },
      },
      ['OR', ['http_x_a', '!', '==', '1'], ['http_x_b', '!', '==', '2']],
    ],
  ])('compares %s', (_what, match, vars) => {
    expect(routesOf([{ name: 'rule', ...(match === undefined ? {} : { match }) }])[0]?.vars).toEqual(vars);
  });

  test('takes a percentage from digits of the request id, different ones for each rule, and reports a sticky one', () => {
    const [first, second] = routesOf([
      { name: 'one', percent: 50 },
      { name: 'two', percent: 25, match: { header: 'x-a', exact: 'b' } },
    ]) as [Route, Route];
    expect(first.vars).toEqual([['request_id', '~~', '^[0-9a-f]{0}(?:[0-7][0-9a-f]{3})']]);
    expect(second.vars).toEqual(['AND', ['http_x_a', '==', 'b'], ['request_id', '~~', '^[0-9a-f]{4}(?:[0-3][0-9a-f]{3})']]);
    expect(gapsOf('apisix', [{ name: 'sticky', percent: 5, by: { cookie: 'uid' } }])).toEqual([
      'shop/gray/sticky: a sticky share can’t be expressed; the rule is left out',
    ]);
  });

  test('the digits of a percentage are those below its limit', () => {
    const hex = (number: number): string => number.toString(16).padStart(4, '0');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x1_0000 }), fc.integer({ min: 0, max: 0xffff }), (limit, number) => {
        expect(new RegExp(`^(?:${hexBelow(limit)})`).test(hex(number))).toBe(number < limit);
        if (limit > 0) expect(new RegExp(`^(?:${hexBelow(limit)})`).test(hex(limit - 1))).toBe(true);
        if (limit < 0x1_0000) expect(new RegExp(`^(?:${hexBelow(limit)})`).test(hex(limit))).toBe(false);
      }),
    );
  });

  test('writes the tag of a rule into the baggage, and none for base', () => {
    const [gray, base] = routesOf([BY_HOST]).map(({ plugins }) => plugins['serverless-pre-function'].functions[0] as string) as [string, string];
    expect(gray).toContain('table.insert(kept, 1, "lane=gray")');
    expect(base).not.toContain('lane=gray');
    for (const code of [gray, base]) expect(code).toContain('["lane"] = true, ["__microservice_tag__"] = true, ["x-mse-gray-tag"] = true');
  });

  test('has the routes’ hosts and whole segments of their paths', () => {
    const routes = routesOf([], {
      routes: [
        { host: '*.example.com', path: '/', service: 'a' },
        { host: 'www.example.com', path: '/ab', service: 'a', tag: 'gray' },
        { host: 'www.example.com', path: '/x', pathType: 'exact', service: 'a' },
      ],
    });
    expect(routes.map(({ hosts, uris, upstream_id }) => [hosts, uris, upstream_id])).toEqual([
      [['www.example.com'], ['/ab', '/ab/*'], 'a--gray'],
      [['www.example.com'], ['/x'], 'a'],
      [['*.example.com'], ['/*'], 'a'],
    ]);
  });
});

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations: Record<string, string> };
  readonly spec: Record<string, unknown>;
}
const objectsOf = (text: string): KubernetesObject[] => parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);

describe('Istio', () => {
  interface Http {
    readonly name: string;
    readonly match: object[];
    readonly route: Array<{ destination: object; weight?: number; headers?: object }>;
  }
  const httpOf = (rules: readonly EntryRule[], more: Partial<ExportSource> = {}): Http[] =>
    (objectsOf(exported('istio', rules, more).text)[0] as KubernetesObject).spec['http'] as Http[];

  test('is a VirtualService whose routes are the rules in order, with base at the end', () => {
    const http = httpOf([BY_HOST, { name: 'staff', match: { all: [{ header: 'X-User', in: ['alice', 'bob'] }, { path: { prefix: '/a' } }] } }]);
    expect(http.map(({ match, route }) => [match, route])).toEqual([
      [
        [{ uri: { prefix: '/' }, authority: { regex: '(?i)www\\.example\\.com(?::\\d+)?' } }],
        [{ destination: { host: 'a-gray', port: { number: 80 } } }],
      ],
      [[{ uri: { regex: '/a.*' }, headers: { 'x-user': { regex: '(?:alice|bob)' } } }], [{ destination: { host: 'a-gray', port: { number: 80 } } }]],
      [[{ uri: { prefix: '/' } }], [{ destination: { host: 'a', port: { number: 80 } } }]],
    ]);
  });

  test('names the lane of each route to the filter that writes the baggage', () => {
    const objects = objectsOf(exported('istio', [BY_HOST]).text);
    const filter = objects.find(({ kind }) => kind === 'EnvoyFilter') as KubernetesObject;
    const [insert, merge] = filter.spec['configPatches'] as [
      { patch: { value: { typed_config: { default_source_code: { inline_string: string } } } } },
      { match: { routeConfiguration: { vhost: { route: { name: string } } } }; patch: { value: object } },
    ];
    expect(insert.patch.value.typed_config.default_source_code.inline_string).toContain('table.insert(kept, 1, "lane=" .. lane');
    expect(merge.match.routeConfiguration.vhost.route.name).toBe(httpOf([BY_HOST])[0]?.name);
    expect(merge.patch.value).toEqual({ metadata: { filter_metadata: { 'envoy.filters.http.lua': { lane: 'gray' } } } });
  });

  test('uses given Services, and reports those that it derives from names', () => {
    const given = [instance(8080, undefined, { ip: 'a-base' }), instance(8081, 'gray', { ip: 'a-canary' })];
    const http = httpOf([BY_HOST], { instancesOf: () => given });
    expect(http.map(({ route }) => route[0]?.destination)).toEqual([
      { host: 'a-canary', port: { number: 8081 } },
      { host: 'a-base', port: { number: 8080 } },
    ]);
    const notes = exported('istio', [BY_HOST], { instancesOf: () => undefined }).remarks.map(({ message }) => message);
    expect(notes).toContainEqual('Service a-gray, port 80, is assumed for a in lane gray: set it with --upstream a:gray=name:port');
  });

  test('writes a percentage as weights, and reports what these cannot express', () => {
    const rules: EntryRule[] = [{ name: 'share', percent: 12.5 }, BY_HOST];
    expect(httpOf(rules)[0]?.route.map(({ weight, headers }) => [weight, headers])).toEqual([
      [13, { request: { set: { baggage: 'lane=gray' } } }],
      [87, undefined],
    ]);
    expect(gapsOf('istio', rules)).toEqual([
      'shop/gray/share: weights are whole numbers: 13 % instead of 12.5 %',
      'shop/gray/share: requests of the share in the lane lose the client’s other baggage',
      'shop/gray/share: requests outside the share go to base at once: later rules are not tried',
    ]);
  });

  test.each<[why: string, match: NonNullable<EntryRule['match']>]>([
    ['clients’ addresses can’t be matched', { clientIp: { in: ['10.0.0.0/8'] } }],
    [
      'two comparisons of the header x-a',
      {
        all: [
          { header: 'x-a', prefix: 'a' },
          { header: 'x-a', suffix: 'b' },
        ],
      },
    ],
    ['a negation on the host can’t be expressed', { host: { not: { exact: 'a' } } }],
  ])('omits a rule, and reports: %s', (why, match) => {
    expect(gapsOf('istio', [{ name: 'rule', match }])).toEqual([`shop/gray/rule: ${why}; the rule is left out`]);
  });
});

describe('Higress', () => {
  const ingressesOf = (rules: readonly EntryRule[], more: Partial<ExportSource> = {}): KubernetesObject[] =>
    objectsOf(exported('higress', rules, more).text);
  const hostOf = ({ spec }: KubernetesObject): string | undefined => (spec['rules'] as Array<{ host?: string }>)[0]?.host;
  const serviceOf = ({ spec }: KubernetesObject): string =>
    (spec['rules'] as Array<{ http: { paths: Array<{ backend: { service: { name: string } } }> } }>)[0]?.http.paths[0]?.backend.service.name ?? '';
  const matchingOf = ({ metadata }: KubernetesObject): Record<string, string> =>
    Object.fromEntries(Object.entries(metadata.annotations).filter(([name]) => /match|canary/.test(name)));

  test('has an Ingress for each rule and host, which writes the tag, and one for base, which removes it', () => {
    const ingresses = ingressesOf([BY_HOST, { name: 'opted-in', match: { cookie: 'release', exact: 'gray' } }]);
    expect(ingresses.map((one) => [hostOf(one), serviceOf(one), matchingOf(one)])).toEqual([
      [undefined, 'a-gray', { 'higress.io/regex-match-header-cookie': expect.stringContaining('release') as string }],
      [undefined, 'a', {}],
      ['www.example.com', 'a-gray', {}],
      ['www.example.com', 'a-gray', { 'higress.io/regex-match-header-cookie': expect.stringContaining('release') as string }],
      ['www.example.com', 'a', {}],
    ]);
    for (const one of ingresses) {
      const { annotations } = one.metadata;
      const tagged = serviceOf(one) === 'a-gray';
      expect(annotations['higress.io/request-header-control-update']).toBe(tagged ? 'baggage lane=gray' : undefined);
      expect(annotations['higress.io/request-header-control-remove']?.split(',').includes('baggage')).toBe(!tagged);
    }
    expect(new Set(ingresses.map(({ metadata }) => metadata.name)).size).toBe(ingresses.length);
  });

  test.each<[match: NonNullable<EntryRule['match']>, annotations: Record<string, string>]>([
    [{ header: 'x-user', exact: 'alice' }, { 'higress.io/exact-match-header-x-user': 'alice' }],
    [{ header: 'x-user', prefix: 'a.' }, { 'higress.io/prefix-match-header-x-user': 'a.' }],
    [{ header: 'x-user', in: ['alice', 'bob'] }, { 'higress.io/regex-match-header-x-user': '(?:alice|bob)' }],
    [{ query: 'v', exact: '2' }, { 'higress.io/regex-match-query-v': '2' }],
    [{ method: { in: ['put', 'POST'] } }, { 'higress.io/match-method': 'PUT POST' }],
  ])('compares %j', (match, annotations) => {
    expect(matchingOf(ingressesOf([{ name: 'rule', match }])[0] as KubernetesObject)).toEqual(annotations);
  });

  test('writes percentages as weights of canaries, relative to what earlier ones left', () => {
    const half: EntryRule = { name: 'half', percent: 50, match: { host: { exact: 'half.example.com' } } };
    const ingresses = ingressesOf([half, { name: 'more', percent: 10 }]).filter((one) => hostOf(one) === 'half.example.com');
    expect(ingresses.map((one) => [serviceOf(one), matchingOf(one)])).toEqual([
      ['a-gray', { 'higress.io/canary': 'true', 'higress.io/canary-weight': '5000', 'higress.io/canary-weight-total': '10000' }],
      ['a-gray', { 'higress.io/canary': 'true', 'higress.io/canary-weight': '500', 'higress.io/canary-weight-total': '10000' }],
      ['a', {}],
    ]);
  });

  test.each<[why: string, rule: Omit<EntryRule, 'name'>]>([
    ['a negation can’t be expressed', { match: { not: { header: 'x-a', exact: 'b' } } }],
    ['only whole hosts can be compared', { match: { host: { suffix: '.com' } } }],
    ['a share can’t be expressed beside a condition on more than the host', { percent: 5, match: { header: 'x-a', exact: 'b' } }],
    ['a sticky share can’t be expressed', { percent: 5, by: { cookie: 'uid' } }],
    [
      'two comparisons of one value',
      {
        match: {
          all: [
            { query: 'a', prefix: '1' },
            { query: 'a', suffix: '2' },
          ],
        },
      },
    ],
  ])('omits a rule, and reports: %s', (why, rule) => {
    expect(gapsOf('higress', [{ name: 'rule', ...rule }])).toContain(`shop/gray/rule: ${why}; the rule is left out`);
  });
});

describe('Envoy', () => {
  interface Route {
    readonly match: { readonly headers?: object[]; readonly runtime_fraction?: { default_value: { numerator: number } } };
    readonly route: { readonly cluster: string };
  }
  const routesOf = (rules: readonly EntryRule[]): Route[] =>
    (
      parse(exported('envoy', rules).text, { maxAliasCount: -1 }) as {
        static_resources: {
          listeners: Array<{
            filter_chains: Array<{ filters: Array<{ typed_config: { route_config: { virtual_hosts: Array<{ routes: Route[] }> } } }> }>;
          }>;
        };
      }
    ).static_resources.listeners[0]?.filter_chains[0]?.filters[0]?.typed_config.route_config.virtual_hosts[0]?.routes ?? [];

  test('draws one number for all percentages of a request: a later rule’s range begins where an earlier one’s ends', () => {
    const routes = routesOf([
      { name: 'one', percent: 20 },
      { name: 'two', percent: 50 },
    ]);
    expect(routes.map(({ match }) => match.runtime_fraction?.default_value.numerator)).toEqual([2_000, 6_000, undefined]);
  });

  test('has a route for each alternative of a condition', () => {
    const routes = routesOf([
      {
        name: 'rule',
        match: {
          all: [
            {
              any: [
                { header: 'x-a', exact: '1' },
                { header: 'x-b', exact: '2' },
              ],
            },
            { header: 'x-c', exact: '3' },
          ],
        },
      },
    ]);
    expect(routes.map(({ match, route }) => [match.headers?.map((one) => (one as { name: string }).name), route.cluster])).toEqual([
      [['x-a', 'x-c'], 'a--gray'],
      [['x-b', 'x-c'], 'a--gray'],
      [undefined, 'a'],
    ]);
  });

  test('omits and reports what would be too many routes', () => {
    const any = (name: string): NonNullable<EntryRule['match']> => ({
      any: [1, 2, 3, 4, 5].map((value) => ({ header: name, exact: String(value) })),
    });
    expect(gapsOf('envoy', [{ name: 'rule', match: { all: [any('x-a'), any('x-b')] } }])).toEqual([]);
    expect(gapsOf('envoy', [{ name: 'rule', match: { all: [any('x-a'), any('x-b'), any('x-c')] } }])).toEqual([
      'shop/gray/rule: the condition has too many alternatives; the rule is left out',
    ]);
  });

  test.each<[pattern: string, gaps: number]>([
    // Those that JavaScript reads in another way, or not at all, are asked of RE2, too.
    ['(?i)x', 0],
    ['\\pL{2}', 0],
    ['[[:alpha:]]', 0],
    ['x', 0],
    ['(?i)x*', 1],
    ['(?P<word>\\PL?)', 1],
    ['^$', 1],
  ])('negates the regular expression %s only if a missing header does not match it', (pattern, gaps) => {
    expect(gapsOf('envoy', [{ name: 'rule', match: { not: { header: 'x-a', regex: pattern } } }])).toHaveLength(gaps);
  });
});
