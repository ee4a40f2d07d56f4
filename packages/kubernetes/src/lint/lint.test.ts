/** What `lint` reports for manifests: the scenario's own, each mistake, and good ones, for which it must be silent. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { describe, expect, test } from 'vitest';
import { lint, LINT_RULES, toSarif, type Finding, type LintOptions, type SourceText } from './index.js';

const read = (folder: string): SourceText[] =>
  readdirSync(join(__dirname, 'testing', folder))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(__dirname, 'testing', folder, file), 'utf8') }));

/** The findings of one text, as `line rule`, and any other fields that a test asks for. */
function found(text: string, options?: LintOptions & { file?: string }): string[] {
  return findings(text, options).map(({ line, rule }) => `${line} ${rule}`);
}

function findings(text: string, { file = 'manifest.yaml', ...options }: LintOptions & { file?: string } = {}): readonly Finding[] {
  return lint([{ file, text }], options).findings;
}

/** A Deployment with one container, with only the given differences. */
const deployment = (name: string, { labels = `app: ${name}`, container = '' } = {}): string => `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata:
      labels: { ${labels} }
    spec:
      containers:
        - name: app
          image: example.com/${name}
${container.replace(/^(?=.)/gm, '          ')}
`;
const service = (name: string, selector: string, more = ''): string => `---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { ${selector} }, ports: [{ name: http, port: 80 }]${more} }
`;
const ingress = (name: string, port = '{ number: 80 }', host = 'www.example.com'): string => `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: entry }
spec:
  rules:
    - host: ${host}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: ${name}
                port: ${port}
`;

describe("the scenario's own manifest", () => {
  const report = lint(read('scenario'));

  test('yields its three mistakes, with file, line, the broken reference and the nearest right name', () => {
    expect(
      report.findings
        .filter(({ severity }) => severity === 'error')
        .map(({ rule, file, line, reference, nearest }) => `${file}:${line} ${rule} ${reference} -> ${nearest}`),
    ).toEqual([
      'gray-ingress-before-1.19.yaml:14 ingress-backend spring-clud-a-base -> spring-cloud-a-base',
      'gray-ingress.yaml:15 ingress-backend spring-clud-a-base -> spring-cloud-a-base',
      'gray-ingress.yaml:25 ingress-backend spring-clud-a-base-gray -> spring-cloud-a-gray',
      'verify.sh:2 request-host aliyundoc.base.com -> www.aliyundoc.com',
    ]);
  });

  test('has containerPort 8080 with probes on 20002 and 20003, and an Ingress of a removed API version', () => {
    expect(
      report.findings
        .filter(({ severity }) => severity !== 'error')
        .map(({ rule, resource, reference, nearest }) => [rule, resource, reference, nearest]),
    ).toEqual([
      ['probe-port', 'Deployment spring-cloud-b', '20002', '8080'],
      ['probe-port', 'Deployment spring-cloud-b-new', '20002', '8080'],
      ['probe-port', 'Deployment spring-cloud-c', '20003', '8080'],
      ['probe-port', 'Deployment spring-cloud-c-new', '20003', '8080'],
      ['deprecated-api', 'Ingress demo', 'networking.k8s.io/v1beta1', 'networking.k8s.io/v1'],
    ]);
  });

  test('is right once the three are corrected: only the findings on ports and the old Ingress remain', () => {
    const mended = read('scenario').map(({ file, text }) => ({
      file,
      text: text
        .replaceAll('spring-clud-a-base-gray', 'spring-cloud-a-gray')
        .replaceAll('spring-clud-a-base', 'spring-cloud-a-base')
        .replaceAll('aliyundoc.base.com', 'www.aliyundoc.com'),
    }));
    expect(lint(mended).counts).toEqual({ error: 0, warning: 5, note: 0 });
  });

  test('as one file finds the same', () => {
    const text = read('scenario')
      .filter(({ file }) => file.endsWith('.yaml'))
      .map((source) => source.text)
      .join('---\n');
    expect(findings(text).map(({ reference }) => reference)).toEqual(expect.arrayContaining(['spring-clud-a-base', 'spring-clud-a-base-gray']));
  });
});

describe('good manifests', () => {
  const wellKnown = read('well-known');

  test('are at least twenty', () => expect(wellKnown.length).toBeGreaterThanOrEqual(20));

  test.each(wellKnown.map((source) => [source.file, source] as const))('%s: no findings', (_, source) => {
    expect(lint([source]).findings).toEqual([]);
  });

  test('have no findings all together', () => expect(lint(wellKnown).findings).toEqual([]));
});

describe('references', () => {
  test.each([
    ['a letter is missing', 'shop-fronted', 'shop-frontend'],
    ['two letters have changed places', 'shop-forntend', 'shop-frontend'],
    ['a hyphen is missing', 'shopfrontend', 'shop-frontend'],
    ['the words are in another order', 'frontend-shop', 'shop-frontend'],
  ])('an Ingress to a missing Service: %s', (_, name, nearest) => {
    expect(findings(service(nearest, 'app: x') + ingress(name))).toMatchObject([{ rule: 'ingress-backend', line: 19, reference: name, nearest }]);
  });

  test.each(['shop-users', 'shop-frontend2', 'shop-frontend-v2', 'shop', 'frontend', 'shop-backend'])(
    'Service %s is quite another, and may be there already',
    (name) => {
      expect(found(service('shop-frontend', 'app: x') + ingress(name))).toEqual([]);
    },
  );

  test('a Service in another namespace is missing; one without a namespace may be the right one', () => {
    const there = service('shop', 'app: x').replace('name: shop ', 'name: shop, namespace: other ');
    const here = (text: string): string => text.replace('name: entry', 'name: entry, namespace: here');
    expect(found(service('shop', 'app: x') + here(ingress('shop')))).toEqual([]);
    expect(found(there + here(ingress('shop', '{ number: 81 }')))).toEqual([]);
    expect(found(service('shop', 'app: x') + here(ingress('shop', '{ number: 81 }')))).toEqual(['20 ingress-port']);
  });

  test('an Ingress to a port that the Service does not have, by number and by name', () => {
    expect(findings(service('shop', 'app: x') + ingress('shop', '{ number: 8080 }'))).toMatchObject([{ rule: 'ingress-port', reference: '8080' }]);
    expect(findings(service('shop', 'app: x') + ingress('shop', '{ name: https }'))).toMatchObject([{ rule: 'ingress-port', reference: 'https' }]);
    expect(found(service('shop', 'app: x') + ingress('shop', '{ name: http }'))).toEqual([]);
    // The AWS load balancer takes the backend from annotations.
    expect(found(service('shop', 'app: x') + ingress('shop', '{ name: use-annotation }'))).toEqual([]);
  });

  test('a Service that selects nothing, where a label is nearly right', () => {
    expect(findings(deployment('frontend') + service('shop', 'app: fronted'))).toMatchObject([
      { rule: 'service-selector', severity: 'error', reference: 'app=fronted', nearest: 'app=frontend' },
    ]);
    expect(found(deployment('frontend') + service('shop', 'app: backend'))).toEqual([]);
  });

  describe('hosts of requests', () => {
    const entry =
      service('shop', 'app: x') + ingress('shop', '{ number: 80 }', '"*.shop.example"') + ingress('shop', '{ number: 80 }', 'www.example.com');
    const script = (text: string): readonly Finding[] =>
      lint([
        { file: 'entry.yaml', text: entry },
        { file: 'README.md', text },
      ]).findings;

    test.each([
      'curl -H"Host:www.example.com" x',
      "curl -H 'host: a.shop.example' x",
      'curl --header="Host: www.example.com:8080" x',
      'curl x -H "Host: localhost"',
      'curl -H "Host: $HOST" x',
    ])('%s: right', (line) => expect(script(line)).toEqual([]));

    test('finds a wrong one even in continued lines, with its position', () => {
      expect(script('To try it:\n\n    curl -s \\\n      -H "Host: www.exmaple.com" \\\n      x\n')).toMatchObject([
        { rule: 'request-host', severity: 'error', file: 'README.md', line: 4, column: 17, reference: 'www.exmaple.com', nearest: 'www.example.com' },
      ]);
    });

    test('one unlike all of them may be for something else: a note; named on the command line it is an error', () => {
      expect(script('curl -H "Host: other.org" x')).toMatchObject([{ rule: 'request-host', severity: 'note' }]);
      expect(findings(entry, { hosts: ['other.org'] })).toMatchObject([{ rule: 'request-host', severity: 'error', file: '--request' }]);
    });

    test('a default backend, or a rule without host, accepts any', () => {
      const route = 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: a }\nspec: { rules: [] }\n---\n';
      expect(findings(route + entry, { hosts: ['other.org'] })).toEqual([]);
      expect(findings(route.replace('rules', 'hostnames: [other.org], rules') + entry, { hosts: ['other.org'] })).toEqual([]);
      expect(
        findings(entry.replace('rules:', 'defaultBackend: { service: { name: shop, port: { number: 80 } } }\n  rules:'), { hosts: ['other.org'] }),
      ).toEqual([]);
      expect(findings(entry.replace('- host: www.example.com\n      http:', '- http:'), { hosts: ['other.org'] })).toEqual([]);
    });
  });
});

describe('lanes', () => {
  const gray = deployment('shop-new', { labels: 'app: shop-new, alicloud.service.tag: gray, msePilotCreateAppName: shop' });

  test('a tag on pods with no base', () => {
    expect(findings(gray + deployment('users'))).toMatchObject([
      { rule: 'tag-without-base', severity: 'warning', line: 9, resource: 'Deployment shop-new', reference: 'shop' },
    ]);
  });

  test.each([
    ['names the same service', deployment('any', { labels: 'app: any, msePilotCreateAppName: shop' })],
    ['is called like the service', deployment('shop')],
    ['names it in a variable', deployment('any', { container: 'env: [{ name: LANE_SERVICE, value: shop }]' })],
  ])('a base that %s is one', (_, base) => expect(found(gray + base)).toEqual([]));

  test('a base of another lane does not count, and a base with a similar name is suggested', () => {
    expect(found(gray + gray.replaceAll('shop-new', 'shop-blue').replace('gray', 'blue'))).toEqual(['9 tag-without-base', '23 tag-without-base']);
    expect(findings(gray.replace('AppName: shop', 'AppName: spring-clud-a') + deployment('spring-cloud-a'))).toMatchObject([
      { nearest: 'spring-cloud-a' },
    ]);
  });

  test('a tag in a variable counts like a label, and if no service is named, names decide', () => {
    const tagged = deployment('shop-gray', { container: 'env:\n  - name: LANE_TAG\n    value: gray' });
    expect(found(tagged)).toEqual(['16 tag-without-base']);
    expect(found(tagged + deployment('shop'))).toEqual([]);
  });

  test('a patch is not a workload: the rest is elsewhere', () => {
    expect(found(gray.replace(/\n +image: .*/, ''))).toEqual([]);
  });

  describe('stamping', () => {
    const STAMP = 'env:\n  - name: profiler.micro.service.tag.trace.enable\n    value: "true"';
    const base = deployment('shop', { labels: 'app: shop, part: shop' });
    const stamping = deployment('shop-new', { labels: 'app: shop-new, part: shop, alicloud.service.tag: gray', container: STAMP });

    test('has no effect on pods without a tag', () => {
      expect(findings(deployment('shop', { container: STAMP }))).toMatchObject([
        { rule: 'stamping-harmful', message: expect.stringContaining('no effect') },
      ]);
      expect(found(deployment('shop', { container: 'env: [{ name: LANE_STAMP, value: "false" }]' }))).toEqual([]);
    });

    test('behind a Service that also leads to base puts base traffic into the lane', () => {
      expect(findings(base + stamping + service('shop', 'part: shop'))).toMatchObject([{ rule: 'stamping-harmful', reference: 'shop' }]);
    });

    test('behind its own Service is the intended use', () => {
      expect(found(base + stamping + service('shop-gray', 'app: shop-new') + ingress('shop-gray'))).toEqual([]);
    });

    test('away from the entry, whether an Ingress or a Service open to the outside, does harm', () => {
      const entry = service('front', 'app: front') + ingress('front');
      expect(found(base + stamping + service('shop-gray', 'app: shop-new') + entry)).toEqual(['30 stamping-harmful']);
      expect(found(base + stamping + service('shop-gray', 'app: shop-new', ', type: NodePort') + entry)).toEqual([]);
    });
  });
});

describe('values that have to be text', () => {
  const labelled = (value: string): string => deployment('shop', { labels: `app: shop, msePilotAutoEnable: ${value}` });

  test.each(['on', 'off', 'yes', 'n', 'True', '1', '007', '1.5', '1e10', '0x1F', '1_000'])('Kubernetes rejects %s', (value) => {
    expect(findings(labelled(value))).toMatchObject([{ rule: 'value-quotes', severity: 'error', line: 9, reference: value, nearest: `"${value}"` }]);
  });

  test.each(['"on"', "'on'", 'default', 'v1', '1.5.2', '"1"', 'yEs', '2024-01-01', '1:30', '', '~'])('Kubernetes accepts %s', (value) => {
    expect(found(labelled(value))).toEqual([]);
  });

  test('so do variables, arguments, selectors and data of ConfigMaps, but not those of other resources', () => {
    expect(found(deployment('shop', { container: 'env:\n  - { name: PORT, value: 8080 }\nargs: [--port, 8080]' }))).toEqual([
      '15 value-quotes',
      '16 value-quotes',
    ]);
    expect(found(service('shop', 'app: shop, canary: true'))).toEqual(['5 value-quotes']);
    expect(found('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata:\n  port: 80\n')).toEqual(['5 value-quotes']);
    expect(found('apiVersion: example.com/v1\nkind: Thing\nmetadata: { name: a }\nspec: { labels: { on: true }, args: [1] }\n')).toEqual([]);
    expect(found('apiVersion: example.com/v1\nkind: Thing\nmetadata: { name: a, labels: { on: true } }\n')).toEqual(['3 value-quotes']);
  });
});

describe('ports and probes', () => {
  const probed = (ports: string, probe: string): readonly Finding[] =>
    findings(deployment('shop', { container: `ports: [${ports}]\nlivenessProbe: { ${probe} }` }));

  test('a probe for a port other than the declared one', () => {
    expect(probed('{ containerPort: 8080 }', 'tcpSocket: { port: 20002 }')).toMatchObject([
      { rule: 'probe-port', severity: 'warning', line: 15, reference: '20002', nearest: '8080' },
    ]);
  });

  test('over HTTP it may be a separate health port: a note', () => {
    expect(probed('{ containerPort: 8080 }', 'httpGet: { path: /health, port: 8081 }')).toMatchObject([{ rule: 'probe-port', severity: 'note' }]);
  });

  test.each([
    ['it is the same', '{ containerPort: 8080 }', 'tcpSocket: { port: 8080 }'],
    ['both are declared', '{ containerPort: 8080 }, { containerPort: 20002 }', 'tcpSocket: { port: 20002 }'],
    ['the declared one is for metrics', '{ containerPort: 9090, name: metrics }', 'httpGet: { port: 8081 }'],
    ['it is asked by name', '{ containerPort: 8080, name: http }', 'httpGet: { port: http }'],
    ['nothing is declared', '', 'tcpSocket: { port: 20002 }'],
  ])('no findings if %s', (_, ports, probe) => expect(probed(ports, probe)).toEqual([]));

  test("a port of another container of the pod counts as that container's", () => {
    const container = 'ports: [{ containerPort: 8080 }]\nlivenessProbe: { tcpSocket: { port: 9000 } }';
    const sidecar = '- { name: health, image: example.com/health, ports: [{ containerPort: 9000 }] }';
    expect(found(`${deployment('shop', { container }).trimEnd()}\n        ${sidecar}\n`)).toEqual([]);
  });

  test('an unknown port name', () => {
    expect(probed('{ containerPort: 8080, name: http }', 'httpGet: { port: htp }')).toMatchObject([
      { rule: 'probe-port', severity: 'warning', reference: 'htp' },
    ]);
  });
});

describe('versions of the API', () => {
  test.each([
    ['extensions/v1beta1', 'Ingress', 'networking.k8s.io/v1'],
    ['apps/v1beta2', 'Deployment', 'apps/v1'],
    ['batch/v1beta1', 'CronJob', 'batch/v1'],
    ['policy/v1beta1', 'PodDisruptionBudget', 'policy/v1'],
    ['autoscaling/v2beta2', 'HorizontalPodAutoscaler', 'autoscaling/v2'],
  ])('%s %s has been removed', (apiVersion, kind, nearest) => {
    expect(findings(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: a }\n`)).toMatchObject([
      { rule: 'deprecated-api', severity: 'warning', line: 1, reference: apiVersion, nearest },
    ]);
  });
});

describe('lane groups', () => {
  const groups = (...lanes: string[]): string => `version: 1
groups:
  - name: shop
    services: [a]
    entry: { services: [a] }
    lanes:
${lanes.join('')}`;
  const GRAY = '      - { name: gray, tag: gray, rules: [{ name: share, percent: 30 }] }\n';
  const BLUE = '      - name: blue\n        tag: blue\n        rules: [{ name: asked-for, match: { header: x-lane, exact: blue } }]\n';
  const configMap = (document: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: lane-groups }\ndata:\n  lane-groups.json: |\n${document.replace(/^(?=.)/gm, '    ')}`;

  test('reports the position of a rule after one that takes its requests', () => {
    expect(findings(groups(GRAY, BLUE))).toMatchObject([
      {
        rule: 'rule-order',
        severity: 'warning',
        line: 10,
        reference: 'shop/blue/asked-for',
        message: expect.stringMatching(/^rule shop\/gray\/share takes 30 % of all requests, .* Put lane shop\/blue before lane shop\/gray$/),
      },
    ]);
    expect(found(groups(BLUE, GRAY))).toEqual([]);
  });

  test('are also read in ConfigMaps', () => {
    expect(findings(configMap(groups(GRAY, BLUE)))).toMatchObject([{ rule: 'rule-order', line: 5, resource: 'ConfigMap lane-groups' }]);
    expect(found(configMap(groups(BLUE, GRAY)))).toEqual([]);
    expect(found(configMap('groups: [not, closed'))).toEqual([]);
  });

  test('if invalid, are reported with their position, and other files are ignored', () => {
    expect(found(groups(BLUE.replace('tag: blue', 'tag: not a tag')))).toEqual(['8 lane-groups']);
    expect(findings(configMap(groups(GRAY.replace('30', '300'))))).toMatchObject([{ rule: 'lane-groups', severity: 'error', line: 5 }]);
    expect(found('version: 1\ngroups: [{ name: admins }]\n')).toEqual([]);
  });
});

describe('texts', () => {
  test('that are not YAML are reported once per document with their position, and the others are read', () => {
    expect(found(`apiVersion: v1\nkind: Service\nmetadata: { name: a ]\n---\n${deployment('shop', { labels: 'on: on' })}`)).toContain(
      '3 yaml-syntax',
    );
    expect(found('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, name: b }\n')).toEqual(['3 yaml-syntax']);
  });

  test('a template is skipped with a note; other files with placeholders are ignored', () => {
    const name = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: ';
    expect(found(`${name}{{ .Values.name }}\n`)).toEqual(['1 template']);
    expect(found(`${name}{{ include "shop.name" . }}-web\n`)).toEqual(['1 template']);
    expect(found(`{{- if .Values.on }}\n${name}a\n{{- end }}\n`)).toEqual(['1 template']);
    expect(found(`${name}a\n{% if on %}\nspec: {}\n{% endif %}\n`)).toEqual(['1 template']);
    expect(found('name: {{ .Values.name }}\n')).toEqual([]);
  });

  test('JSON is YAML; files with comments that are not manifests are ignored', () => {
    expect(found('{ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": 1 } }', { file: 'a.json' })).toEqual(['1 value-quotes']);
    expect(found('{\n  // for the compiler\n  "strict": true,\n}', { file: 'tsconfig.json' })).toEqual([]);
  });

  test('merged maps are followed, as kubectl does', () => {
    const merged = deployment('shop').replace('labels: { app: shop }', 'labels: { <<: { app: shop } }');
    expect(found(merged + service('shop', 'app: shopp'))).toEqual(['19 service-selector']);
  });
});

describe('disabling', () => {
  const text = 'apiVersion: v1\nkind: ConfigMap\ndata:\n  a: 1\n  b: on\n';

  test('a comment applies to its line and the next, for one rule or all, and several add up', () => {
    expect(found(text.replace('data:', 'data: # lane-lint-disable value-quotes'))).toEqual(['5 value-quotes']);
    expect(found(text.replace('a: 1', 'a: 1 # lane-lint-disable'))).toEqual([]);
    expect(found(text.replace('data:', 'data: # lane-lint-disable value-quotes').replace('a: 1', 'a: 1 # lane-lint-disable probe-port'))).toEqual([
      '5 value-quotes',
    ]);
  });

  test('for a file, and by option', () => {
    expect(found(`# lane-lint-disable-file value-quotes\n${text}`)).toEqual([]);
    expect(found(`# lane-lint-disable-file probe-port\n${text}`)).toEqual(['5 value-quotes', '6 value-quotes']);
    expect(found(text, { disable: ['value-quotes'] })).toEqual([]);
    expect(() => found(text, { disable: ['quotes'] })).toThrow(/no rule quotes/);
  });
});

describe('SARIF', () => {
  const sarif = toSarif(lint(read('scenario'), { hosts: ['shop.aliyundoc.com'] }).findings, '0.1.0') as {
    runs: [{ tool: { driver: { rules: Array<{ id: string }> } }; results: Array<Record<string, unknown>> }];
  };

  test('matches its schema', () => {
    const schema = require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json') as Record<string, unknown>;
    // It is written for draft 4, but uses nothing that has changed since.
    const { $schema: _, id: __, ...current } = schema;
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(current);
    validate(sarif);
    expect(validate.errors).toBeNull();
  });

  test('has the mistakes of the scenario, with file, line, the broken reference and the nearest right name', () => {
    const [{ results, tool }] = sarif.runs;
    expect(results).toContainEqual({
      ruleId: 'ingress-backend',
      ruleIndex: tool.driver.rules.findIndex(({ id }) => id === 'ingress-backend'),
      level: 'error',
      message: { text: 'there is no Service spring-clud-a-base-gray: did you mean spring-cloud-a-gray?' },
      locations: [
        {
          physicalLocation: { artifactLocation: { uri: 'gray-ingress.yaml' }, region: { startLine: 25, startColumn: 19 } },
          logicalLocations: [{ fullyQualifiedName: 'Ingress cafe-ingress', kind: 'resource' }],
        },
      ],
      properties: { reference: 'spring-clud-a-base-gray', nearest: 'spring-cloud-a-gray' },
    });
    expect(results.filter(({ level }) => level === 'error').map(({ properties }) => properties)).toEqual([
      { reference: 'shop.aliyundoc.com', nearest: 'www.aliyundoc.com' },
      { reference: 'spring-clud-a-base', nearest: 'spring-cloud-a-base' },
      { reference: 'spring-clud-a-base', nearest: 'spring-cloud-a-base' },
      { reference: 'spring-clud-a-base-gray', nearest: 'spring-cloud-a-gray' },
      { reference: 'aliyundoc.base.com', nearest: 'www.aliyundoc.com' },
    ]);
    expect(tool.driver.rules.map(({ id }) => id)).toEqual(Object.keys(LINT_RULES));
  });

  test('names files as URIs', () => {
    const [uri] = ['/a b/c.yaml', 'a/ö.yaml'].map((file) =>
      JSON.stringify(toSarif(lint([{ file, text: 'apiVersion: v1\nkind: ConfigMap\ndata: { a: 1 }' }]).findings, '1')),
    );
    expect(uri).toContain('file:///a%20b/c.yaml');
  });
});
