/** A law over all exporters and formats: what is exported serves the same instances as core's own `route()` chooses for the same tag. */
import { FORMAT_NAMES, ServiceTables, type FormatName, type Instance } from '@lane/core/model';
import { compileLaneGroups, type LaneGroupsDocument } from '@lane/core/rules';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { EXPORT_TARGETS, exportRules } from './index.js';

const TAGS = ['gray', 'blue', '1.1'];
/** Two services whose upstreams could be taken for each other's. */
const SERVICES = ['a', 'a--gray'];
const BASE = Symbol('base');
type Served = ReadonlyMap<string | typeof BASE, readonly string[]>;

/** How instances say their lane, each in the way of a format. */
const metadata = fc.oneof(
  fc.constant({}),
  fc
    .tuple(fc.constantFrom('lane', 'alicloud.service.tag', 'dubbo.tag', 'ASM_TRAFFIC_TAG', 'version'), fc.constantFrom(...TAGS, 'base', 'default'))
    .map(([key, tag]) => ({ [key]: tag })),
  fc.constantFrom(...TAGS).map((tag) => ({ [`opensergo.io/canary-${tag}`]: '' })),
);
const instances: fc.Arbitrary<Instance[]> = fc
  .array(fc.record({ metadata, weight: fc.constantFrom(0, 1, 2), healthy: fc.boolean(), enabled: fc.constantFrom(true, true, false) }), {
    maxLength: 6,
  })
  .map((all) => all.map((one, i) => ({ ...one, ip: '10.0.0.1', port: 20_001 + i })));
const document: fc.Arbitrary<LaneGroupsDocument> = fc
  .uniqueArray(fc.record({ tag: fc.constantFrom(...TAGS), enabled: fc.boolean(), fallback: fc.constantFrom('base' as const, 'none' as const) }), {
    minLength: 1,
    selector: ({ tag }) => tag,
  })
  .chain((lanes) =>
    fc.subarray(SERVICES, { minLength: 1 }).map((services) => ({
      version: 1,
      groups: [
        {
          name: 'shop',
          services,
          entry: { services: ['lane-gateway'] },
          lanes: lanes.map((lane) => ({ name: lane.tag, ...lane, rules: [{ name: 'rule', match: { header: 'x-lane', exact: lane.tag } }] })),
        },
      ],
    })),
  );

/** By target: the addresses that a configuration sends each tag to, on its one route. */
const READERS: Readonly<Record<string, (text: string) => Served>> = {
  nginx(text) {
    const upstreams = new Map(
      [...text.matchAll(/^upstream (\S+) \{\n([^}]*)\}/gm)].map(([, name = '', body = '']) => [name, addressesIn(body, /server ([\d.:]+)/g)]),
    );
    // The server of any host is the last one.
    const [, variable = ''] = [...text.matchAll(/proxy_pass http:\/\/\$(\w+);/g)].at(-1) ?? [];
    const [, base = '', tagged = ''] = new RegExp(`\\$${variable} \\{\n\\s+default "([^"]*)";\n([^}]*)\\}`).exec(text) ?? [];
    const served = new Map<string | typeof BASE, readonly string[]>([[BASE, upstreams.get(base) ?? []]]);
    for (const [, tag = '', name = ''] of tagged.matchAll(/"~\^(.*)\$" "([^"]*)";/g)) served.set(tag.replace(/\\+/g, ''), upstreams.get(name) ?? []);
    return served;
  },
  haproxy(text) {
    const backends = new Map(
      [...text.matchAll(/^backend (\S+) from lane\n((?: {4}.*\n?)*)/gm)].map(([, name = '', body = '']) => [
        name,
        addressesIn(body, /server s\d+ ([\d.:]+)/g),
      ]),
    );
    const served = new Map<string | typeof BASE, readonly string[]>();
    for (const [, tag] of text.matchAll(/status 503 .* if \{ var\(txn.lane_route\) -m int 1 \} (?:\{ var\(txn\.lane\) -m str -- (\S+) \}|!.*)$/gm))
      served.set(tag ?? BASE, []);
    for (const [, name = '', tag] of text.matchAll(
      /use_backend (\S+) if \{ var\(txn.lane_route\) -m int 1 \}(?: \{ var\(txn\.lane\) -m str -- (\S+) \})?$/gm,
    ))
      served.set(tag ?? BASE, backends.get(name) ?? []);
    return served;
  },
  envoy(text) {
    const { listeners, clusters } = (parse(text, { maxAliasCount: -1 }) as EnvoyBootstrap).static_resources;
    const byName = new Map(
      clusters.map(({ name, load_assignment }) => [
        name,
        load_assignment.endpoints.flatMap(({ lb_endpoints }) =>
          lb_endpoints.map(({ endpoint }) => `${endpoint.address.socket_address.address}:${endpoint.address.socket_address.port_value}`),
        ),
      ]),
    );
    const routes = listeners[0]?.filter_chains[0]?.filters[0]?.typed_config.route_config.virtual_hosts[0]?.routes ?? [];
    return new Map(
      routes.map((route) => [route.metadata?.filter_metadata['envoy.filters.http.lua']?.lane ?? BASE, byName.get(route.route?.cluster ?? '') ?? []]),
    );
  },
  'spring-cloud-gateway'(text) {
    const { gateway, discovery } = (parse(text) as SpringConfiguration).spring.cloud;
    return new Map(
      gateway.routes.map(({ uri, filters }) => [
        filters.find(({ name, args }) => name === 'SetRequestHeader' && args?.name === 'x-asm-prefer-tag')?.args?.value ?? BASE,
        uri === 'no://op'
          ? []
          : uri.startsWith('lb://')
            ? (discovery?.client.simple.instances[uri.slice(5)] ?? []).map((one) => one.uri.slice('http://'.length))
            : [uri.slice('http://'.length)],
      ]),
    );
  },
  apisix(text) {
    const { routes, upstreams } = parse(text) as ApisixConfiguration;
    const byId = new Map(upstreams.map(({ id, nodes }) => [id, nodes.map(({ host, port }) => `${host}:${port}`)]));
    return new Map(
      routes.map(({ upstream_id, plugins }) => [
        /set_header\("x-asm-prefer-tag", "(.*)"\)/.exec(plugins['serverless-pre-function'].functions[0] ?? '')?.[1] ?? BASE,
        byId.get(upstream_id ?? '') ?? [],
      ]),
    );
  },
  istio(text) {
    const [service, filter] = parseAllDocuments(text).map((one) => one.toJS() as unknown) as [VirtualService, EnvoyFilter];
    const lanes = new Map(
      filter.spec.configPatches.flatMap(({ match, patch }) =>
        match.routeConfiguration === undefined
          ? []
          : [[match.routeConfiguration.vhost.route.name, patch.value.metadata.filter_metadata['envoy.filters.http.lua']?.lane ?? '']],
      ),
    );
    return new Map(
      service.spec.http.map(({ name, route }) => [
        lanes.get(name) ?? BASE,
        route.map(({ destination }) => `${destination.host}:${destination.port.number}`),
      ]),
    );
  },
  higress(text) {
    return new Map(
      parseAllDocuments(text).map((one) => {
        const { metadata: of, spec } = one.toJS() as Ingress;
        const { name, port } = spec.rules[0]?.http.paths[0]?.backend.service ?? { name: '', port: { number: 0 } };
        return [
          /x-asm-prefer-tag (.*)/.exec(of.annotations['higress.io/request-header-control-update'] ?? '')?.[1] ?? BASE,
          [`${name}:${port.number}`],
        ];
      }),
    );
  },
};

function addressesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, address = '']) => address);
}

describe.each(EXPORT_TARGETS)('$name', ({ name: target, needsAddresses }) => {
  test('serves the same instances as the agent would choose, for any listed formats', () => {
    const read = READERS[target] as (text: string) => Served;
    fc.assert(
      fc.property(
        document,
        instances,
        fc.uniqueArray(fc.constantFrom<FormatName>(...FORMAT_NAMES), { minLength: 1 }),
        fc.constantFrom(...SERVICES),
        (groups, all, formats, service) => {
          // Some exports are only read by the header of this format.
          const listed: FormatName[] = formats.includes('asm') ? formats : [...formats, 'asm'];
          const routes = [{ host: '*', service }, ...SERVICES.filter((one) => one !== service).map((one) => ({ host: 'other.test', service: one }))];
          const { text } = exportRules(target, {
            document: groups,
            routes: needsAddresses ? routes : routes.slice(0, 1),
            instancesOf: () => all,
            formats: listed,
          });
          const tables = new ServiceTables({ formats: listed });
          tables.setRules(compileLaneGroups(groups));
          const key = { name: service, group: 'DEFAULT_GROUP' };
          tables.update(key, all);
          const served = read(onlyRouteOf(target, text));
          const tags = groups.groups.flatMap(({ lanes }) => lanes.filter(({ enabled }) => enabled !== false).map(({ tag }) => tag));
          for (const tag of [undefined, ...tags]) {
            const chosen = tables.route(key, tag)?.instances.map(({ ip, port }) => `${ip}:${port}`) ?? [];
            const exported = served.get(tag ?? BASE);
            const what = `${String(tag)}: ${JSON.stringify({ listed, all })}`;
            if (needsAddresses) expect([...(exported ?? [])].sort(), what).toEqual([...chosen].sort());
            // One Service stands for all instances of a lane; where nothing may serve, it is none of them.
            else if (chosen.length > 0) expect(chosen, what).toContain(exported?.[0]);
            else
              expect(
                all.map(({ ip, port }) => `${ip}:${port}`),
                what,
              ).not.toContain(exported?.[0]);
          }
        },
      ),
      // The same in each run: a test fails by what has changed.
      { numRuns: 60, seed: 1 },
    );
  });
});

/** The part of a configuration that is of the route for any host, where the file has several. */
function onlyRouteOf(target: string, text: string): string {
  if (target === 'haproxy') return text.replaceAll(/^.*\{ var\(txn.lane_route\) -m int 1 \}.*$\n/gm, '').replaceAll('-m int 2 }', '-m int 1 }');
  return text;
}

test('an instance with version gray is in lane gray if nepxion is listed, and in base otherwise', () => {
  const all: Instance[] = [undefined, 'gray'].map((version, i) => ({
    ip: '10.0.0.1',
    port: 20_001 + i,
    weight: 1,
    healthy: true,
    enabled: true,
    metadata: version === undefined ? {} : { version },
  }));
  const groups: LaneGroupsDocument = {
    version: 1,
    groups: [
      {
        name: 'shop',
        services: ['a'],
        entry: { services: ['lane-gateway'] },
        lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'all', percent: 50 }] }],
      },
    ],
  };
  const text = (formats: FormatName[]): string =>
    exportRules('nginx', { document: groups, routes: [{ host: '*', service: 'a' }], instancesOf: () => all, formats }).text;
  expect(text(['nepxion'])).toContain('upstream a {\n    server 10.0.0.1:20001;\n    keepalive');
  expect(text(['nepxion'])).toContain('upstream a--gray {\n    server 10.0.0.1:20002;\n    keepalive');
  expect(text(['baggage'])).toContain('upstream a {\n    server 10.0.0.1:20001;\n    server 10.0.0.1:20002;\n    keepalive');
});

interface Lua {
  readonly filter_metadata: Readonly<Record<string, { readonly lane: string } | undefined>>;
}
interface EnvoyBootstrap {
  readonly static_resources: {
    readonly listeners: ReadonlyArray<{
      readonly filter_chains: ReadonlyArray<{
        readonly filters: ReadonlyArray<{
          readonly typed_config: {
            readonly route_config: {
              readonly virtual_hosts: ReadonlyArray<{
                readonly routes: ReadonlyArray<{ readonly metadata?: Lua; readonly route?: { readonly cluster: string } }>;
              }>;
            };
          };
        }>;
      }>;
    }>;
    readonly clusters: ReadonlyArray<{
      readonly name: string;
      readonly load_assignment: {
        readonly endpoints: ReadonlyArray<{
          readonly lb_endpoints: ReadonlyArray<{
            readonly endpoint: { readonly address: { readonly socket_address: { readonly address: string; readonly port_value: number } } };
          }>;
        }>;
      };
    }>;
  };
}
interface SpringConfiguration {
  readonly spring: {
    readonly cloud: {
      readonly gateway: {
        readonly routes: ReadonlyArray<{
          readonly uri: string;
          readonly filters: ReadonlyArray<{ readonly name: string; readonly args?: { readonly name: string; readonly value?: string } }>;
        }>;
      };
      readonly discovery?: {
        readonly client: { readonly simple: { readonly instances: Readonly<Record<string, ReadonlyArray<{ readonly uri: string }>>> } };
      };
    };
  };
}
interface ApisixConfiguration {
  readonly routes: ReadonlyArray<{
    readonly upstream_id?: string;
    readonly plugins: { readonly 'serverless-pre-function': { readonly functions: readonly string[] } };
  }>;
  readonly upstreams: ReadonlyArray<{ readonly id: string; readonly nodes: ReadonlyArray<{ readonly host: string; readonly port: number }> }>;
}
interface VirtualService {
  readonly spec: {
    readonly http: ReadonlyArray<{
      readonly name: string;
      readonly route: ReadonlyArray<{ readonly destination: { readonly host: string; readonly port: { readonly number: number } } }>;
    }>;
  };
}
interface EnvoyFilter {
  readonly spec: {
    readonly configPatches: ReadonlyArray<{
      readonly match: { readonly routeConfiguration?: { readonly vhost: { readonly route: { readonly name: string } } } };
      readonly patch: { readonly value: { readonly metadata: Lua } };
    }>;
  };
}
interface Ingress {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly rules: ReadonlyArray<{
      readonly http: {
        readonly paths: ReadonlyArray<{
          readonly backend: { readonly service: { readonly name: string; readonly port: { readonly number: number } } };
        }>;
      };
    }>;
  };
}
