import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requestView } from '@lane/core/rules';
import { describe, expect, test } from 'vitest';
import { compileRoutes, findRoute, targetOf, type GatewayRoute } from '../decide/routes.js';
import { ingressRoutes, type IngressOptions } from './ingress-routes.js';
import type { ManifestProblem } from './manifests.js';

const scenario = (name: string): { name: string; text: string } => ({
  name,
  text: readFileSync(join(__dirname, '../testing/scenario', name), 'utf8'),
});
const told = (problems: readonly ManifestProblem[]): string[] =>
  problems.map(({ severity, file, line, message }) => `${file}:${line}: ${severity}: ${message}`);

/** Routes of one text, which has to be without fault. */
function routesOf(text: string, options?: IngressOptions): readonly GatewayRoute[] {
  const { routes, problems } = ingressRoutes([{ name: 'x.yaml', text }], options);
  expect(told(problems)).toEqual([]);
  return routes;
}

/** Which service takes a request. */
function serving(routes: readonly GatewayRoute[], host: string, path = '/', headers: Record<string, string> = {}, random = 0.5): string | undefined {
  const route = findRoute(compileRoutes(routes), host, path);
  if (route === undefined) return undefined;
  const { key, tag } = targetOf(route, requestView({ method: 'GET', url: path, headers, clientIp: undefined }), () => random);
  return tag === undefined ? key.name : `${key.name}:${tag}`;
}

/** A Service that is labelled with what it leads to. */
const service = (name: string, tag = ''): string => `---
apiVersion: v1
kind: Service
metadata:
  name: ${name}
  labels: { lane.dev/service: ${name}${tag === '' ? '' : `, lane.dev/tag: ${tag}`} }
spec:
  ports: [{ name: http, port: 80 }]
`;

const ingress = (paths: string, more = ''): string => `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: main
${more}spec:
${paths}`;

describe('the manifest of the scenario', () => {
  const files = ['services.yaml', 'deployments.yaml'].map(scenario);

  test.each([
    [
      'gray-ingress.yaml',
      [
        [
          'www.aliyundoc.com',
          undefined,
          'Ingress cafe-ingress names Service spring-clud-a-base, which is not in the given files: did you mean spring-cloud-a-base?',
          16,
        ],
        [
          'www.example.com',
          undefined,
          'Ingress cafe-ingress names Service spring-clud-a-base-gray, which is not in the given files: did you mean spring-cloud-a-gray?',
          26,
        ],
      ],
    ],
    [
      'gray-ingress-v1beta1.yaml',
      [
        [
          'www.aliyundoc.com',
          undefined,
          'Ingress demo names Service spring-clud-a-base, which is not in the given files: did you mean spring-cloud-a-base?',
          15,
        ],
        ['www.example.com', 'spring-cloud-a:gray', undefined, undefined],
      ],
    ],
  ] as const)('unchanged, in %s: reports each wrong name with file, line and the nearest right one', (name, expected) => {
    const { routes, problems } = ingressRoutes([scenario(name), ...files]);
    const table = compileRoutes(routes);
    for (const [host, leadsTo, problem, line] of expected) {
      if (leadsTo !== undefined) expect(serving(routes, host, '/a')).toBe(leadsTo);
      else {
        expect(findRoute(table, host, '/a')?.problem).toContain(problem);
        expect(told(problems)).toContainEqual(expect.stringContaining(`${name}:${line}: error: ${problem} Correct the name, or start with --mend`));
      }
    }
    expect(findRoute(table, 'aliyundoc.base.com', '/a')).toBeUndefined();
  });

  test.each(['gray-ingress.yaml', 'gray-ingress-v1beta1.yaml'])('corrected, %s leads to base and gray', (name) => {
    const { routes, problems } = ingressRoutes([scenario(name), ...files], { mend: true });
    expect(serving(routes, 'www.aliyundoc.com', '/a')).toBe('spring-cloud-a');
    expect(serving(routes, 'www.example.com', '/a')).toBe('spring-cloud-a:gray');
    expect(problems.every(({ severity }) => severity === 'warning')).toBe(true);
  });

  test('without the file of its Services or Deployments, says which to pass', () => {
    expect(told(ingressRoutes([scenario('gray-ingress.yaml')]).problems)[0]).toContain('pass the file that has its Services with another --ingress');
    const { routes, problems } = ingressRoutes([scenario('gray-ingress-v1beta1.yaml'), scenario('services.yaml')], { mend: true });
    expect(told(problems)).toContainEqual(
      expect.stringContaining(
        'services.yaml:15: error: Service spring-cloud-a-base selects app=spring-cloud-a, and no workload in these files has such labels',
      ),
    );
    expect(routes.every(({ problem }) => problem !== undefined)).toBe(true);
  });
});

describe('hosts and paths', () => {
  const routes = routesOf(
    ingress(`  defaultBackend: { service: { name: rest, port: { number: 80 } } }
  rules:
    - host: "*.example.com"
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: wild, port: { name: http } } } }] }
    - host: www.example.com
      http:
        paths:
          - { path: /exact, pathType: Exact, backend: { service: { name: exact, port: { number: 80 } } } }
          - { path: /exact, pathType: Prefix, backend: { service: { name: prefix, port: { number: 80 } } } }
          - { path: /deep/er/, pathType: Prefix, backend: { service: { name: deeper, port: { number: 80 } } } }
          - { path: /deep, pathType: Prefix, backend: { service: { name: deep, port: { number: 80 } } } }
          - { path: /star/*, pathType: ImplementationSpecific, backend: { service: { name: star, port: { number: 80 } } } }
    - http: { paths: [{ path: /any, pathType: Prefix, backend: { service: { name: any, port: { number: 80 } } } }] }
`) + ['rest', 'wild', 'exact', 'prefix', 'deeper', 'deep', 'star', 'any'].map((name) => service(name)).join(''),
  );

  test.each([
    ['www.example.com', '/exact', 'exact'],
    ['www.example.com', '/exact/', 'prefix'],
    ['www.example.com', '/exact/x', 'prefix'],
    ['www.example.com', '/exactly', 'wild'],
    ['www.example.com', '/deep/er', 'deeper'],
    ['www.example.com', '/deep/er/x', 'deeper'],
    ['www.example.com', '/deep/error', 'deep'],
    ['www.example.com', '/star/x', 'star'],
    ['foo.example.com', '/x', 'wild'],
    ['foo.bar.example.com', '/x', 'rest'],
    ['example.com', '/', 'rest'],
    ['elsewhere', '/any/x', 'any'],
    ['elsewhere', '/', 'rest'],
  ])('%s%s goes to %s', (host, path, expected) => {
    expect(serving(routes, host, path)).toBe(expected);
  });

  test('without a default backend, requests that match nothing have no route', () => {
    const text = ingress(
      '  rules: [{ host: a, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: s, port: { number: 80 } } } }] } }]\n',
    );
    expect(serving(routesOf(text + service('s')), 'b')).toBeUndefined();
  });

  test('the default backend of v1beta1 works too', () => {
    const text = `apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: { name: old }\nspec: { backend: { serviceName: s, servicePort: http } }\n`;
    expect(serving(routesOf(text + service('s')), 'anything', '/x')).toBe('s');
  });
});

describe('a canary', () => {
  const rule = (name: string): string =>
    `  rules: [{ host: a, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: ${name}, port: { number: 80 } } } }] } }]\n`;
  const withCanary = (annotations: string): readonly GatewayRoute[] =>
    routesOf(
      ingress(rule('gray'), `  annotations: { ${annotations} }\n`).replace('name: main', 'name: canary') +
        ingress(rule('s')) +
        service('s') +
        service('gray', 'gray'),
    );

  test.each<[annotations: string, headers: Record<string, string>, random: number, expected: string]>([
    ['canary-by-header: x-gray', { 'x-gray': 'always' }, 0.5, 'gray:gray'],
    ['canary-by-header: x-gray', { 'x-gray': 'other' }, 0.5, 's'],
    ['canary-by-header: x-gray, P/canary-weight: "100"', { 'x-gray': 'never' }, 0.5, 's'],
    ['canary-by-header: x-gray, P/canary-weight: "100"', { 'x-gray': 'other' }, 0.5, 'gray:gray'],
    ['canary-by-header: x-user, P/canary-by-header-value: alice', { 'x-user': 'alice' }, 0.5, 'gray:gray'],
    ['canary-by-header: x-user, P/canary-by-header-value: alice', { 'x-user': 'always' }, 0.5, 's'],
    ['canary-by-header: x-user, P/canary-by-header-pattern: "^a.*"', { 'x-user': 'alice' }, 0.5, 'gray:gray'],
    ['canary-by-cookie: gray', { cookie: 'gray=always' }, 0.5, 'gray:gray'],
    ['canary-by-cookie: gray, P/canary-weight: "100"', { cookie: 'gray=never' }, 0.5, 's'],
    ['canary-weight: "30"', {}, 0.29, 'gray:gray'],
    ['canary-weight: "30"', {}, 0.31, 's'],
    ['canary-weight: "30", P/canary-weight-total: "1000"', {}, 0.031, 's'],
  ])('with %s takes requests with %j (%d): %s', (annotations, headers, random, expected) => {
    for (const prefix of ['nginx.ingress.kubernetes.io', 'alb.ingress.kubernetes.io']) {
      const routes = withCanary(`P/canary: "true", P/${annotations}`.replaceAll('P/', `${prefix}/`));
      expect(serving(routes, 'a', '/', headers, random)).toBe(expected);
    }
  });

  test('of nothing, and unknown annotations, are reported', () => {
    const text =
      ingress(rule('s'), '  annotations: { nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/rewrite-target: / }\n') +
      service('s');
    const { problems } = ingressRoutes([{ name: 'x.yaml', text }]);
    expect(told(problems)).toEqual([
      'x.yaml:6: note: Ingress main: annotations ignored: nginx.ingress.kubernetes.io/rewrite-target',
      expect.stringMatching(/^x\.yaml:\d+: warning: Ingress main is a canary of nothing: no other Ingress has host a and path \/$/),
    ]);
  });
});

describe('problems', () => {
  const to = (name: string): string =>
    ingress(`  rules: [{ http: { paths: [{ backend: { service: { name: ${name}, port: { number: 81 } } } }] } }]\n`);
  const workload = (name: string, labels: string, env = ''): string => `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec: { template: { metadata: { labels: { app: x, ${labels} } }, spec: { containers: [{ name: c, env: [${env}] }] } } }
`;
  const selecting = `---\napiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { selector: { app: x }, ports: [{ port: 80 }] }\n`;

  test.each<[what: string, text: string, message: RegExp]>([
    ['no YAML', 'a: [', /error: is not YAML/],
    [
      'a List that has none',
      'kind: List\nitems: 5\n---\nkind: List\nitems: { a: 1 }\n---\nkind: List\nitems: [null, 3]\n',
      /error: is not valid: the items of a List must be a list/,
    ],
    ['no Ingress', service('s'), /error: there is no Ingress in these files/],
    ['a port', to('s') + service('s'), /warning: Service s has no port 81: it has 80, http/],
    [
      'several services',
      to('s') + selecting + workload('a', 'lane.dev/service: a') + workload('b', 'lane.dev/service: b'),
      /error: Service s selects pods of several services \(a, b\)/,
    ],
    [
      'several lanes',
      to('s') + selecting + workload('a', 'lane.dev/service: a') + workload('b', 'lane.dev/service: a', '{ name: LANE_TAG, value: gray }'),
      /warning: Service s selects pods of several lanes \(base, gray\): treated as base/,
    ],
    [
      'pods without a name',
      to('s') + selecting + workload('a', 'b: c'),
      /warning: Deployment a does not name its service: assuming a. Label its pods/,
    ],
    [
      'another namespace',
      to('s') + service('s').replace('name: s\n', 'name: s\n  namespace: other\n'),
      /error: Ingress main names Service s, which is not in the given files/,
    ],
  ])('reports %s', (_what, text, message) => {
    expect(told(ingressRoutes([{ name: 'x.yaml', text }]).problems).join('\n')).toMatch(message);
  });

  test('a List of objects works like separate documents', () => {
    const list = `apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Service\n    metadata: { name: s, labels: { lane.dev/service: s } }\n`;
    const text = ingress('  defaultBackend: { service: { name: s, port: { number: 80 } } }\n');
    expect(serving(routesOf(`${list}${text}`), 'x')).toBe('s');
  });
});
