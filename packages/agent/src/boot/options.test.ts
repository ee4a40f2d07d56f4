import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPTION_ROWS, type AgentOptions } from '@lane/core/agent';
import { readOptions } from './options.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lane-options-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const NO_LABELS = '/nowhere/labels';
const read = (environment: Record<string, string>): ReturnType<typeof readOptions> => readOptions(environment, NO_LABELS);

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test('without any setting the app gets the documented defaults, and no complaint', () => {
  expect(read({})).toEqual({
    problems: [],
    options: {
      service: undefined,
      tag: undefined,
      stamp: false,
      background: 'own',
      fallback: 'base',
      baseMode: 'untagged',
      formats: ['baggage'],
      formatsIn: ['baggage'],
      baggageKey: 'lane',
      trust: 'all',
      propagateTo: 'internal',
      baggageBoundary: 'keep',
      services: [],
      registry: 'nacos',
      kubernetesAccount: undefined,
      kubernetesServer: undefined,
      nacosServer: undefined,
      nacosNamespace: undefined,
      nacosGroup: 'DEFAULT_GROUP',
      nacosUsername: undefined,
      nacosPassword: undefined,
      nacosTransport: undefined,
      rules: 'nacos',
      context: 'als',
      messages: 'share',
      traces: 'none',
      registryHoldMs: undefined,
      outlier: { connect: 1, serverErrors: 5, timeMs: 30_000, cap: 0.5 },
      corrects: 'all',
      near: { circle: 'off', least: 1, share: 0.2, few: 0 },
      zone: undefined,
      region: undefined,
      losslessMs: undefined,
      readyPath: undefined,
      warmupMs: undefined,
      snapshotDir: undefined,
      adminPort: undefined,
      adminHost: '127.0.0.1',
      instrumentations: [],
      bind: [],
      disable: [],
      log: 'warn',
      logFormat: 'text',
    },
  });
});

test.each<[variable: string, text: string, option: keyof AgentOptions, value: unknown]>([
  ['LANE_SERVICE', 'shop-a', 'service', 'shop-a'],
  ['LANE_TAG', 'gray', 'tag', 'gray'],
  ['LANE_TAG', ' gray ', 'tag', 'gray'],
  ['alicloud.service.tag', 'gray', 'tag', 'gray'],
  ['MSE_ALICLOUD_SERVICE_TAG', 'gray', 'tag', 'gray'],
  ['LANE_STAMP', 'TRUE', 'stamp', true],
  ['LANE_STAMP', '1', 'stamp', true],
  ['LANE_STAMP', 'off', 'stamp', false],
  ['profiler.micro.service.tag.trace.enable', 'true', 'stamp', true],
  ['LANE_BACKGROUND', 'base', 'background', 'base'],
  ['LANE_FALLBACK', 'none', 'fallback', 'none'],
  ['LANE_BASE_MODE', 'outside-enabled-lanes', 'baseMode', 'outside-enabled-lanes'],
  ['LANE_FORMATS', 'mse, baggage', 'formats', ['mse', 'baggage']],
  ['LANE_FORMATS', 'polaris', 'formatsIn', ['polaris']],
  ['LANE_FORMATS_IN', 'dubbo asm', 'formatsIn', ['dubbo', 'asm']],
  ['LANE_BAGGAGE_KEY', 'env', 'baggageKey', 'env'],
  ['LANE_TRUST', 'None', 'trust', 'none'],
  ['LANE_TRUST', '10.0.0.0/8, ::1', 'trust', ['10.0.0.0/8', '::1']],
  ['LANE_PROPAGATE_TO', 'all', 'propagateTo', 'all'],
  ['LANE_PROPAGATE_TO', '*.Corp.example,b.example', 'propagateTo', ['*.corp.example', 'b.example']],
  [
    'LANE_SERVICES',
    'shop-b, c.internal=shop-c',
    'services',
    [
      ['shop-b', 'shop-b'],
      ['c.internal', 'shop-c'],
    ],
  ],
  ['LANE_NACOS_SERVER', 'a:8848,b:8848', 'nacosServer', 'a:8848,b:8848'],
  ['LANE_NACOS_NAMESPACE', 'dev', 'nacosNamespace', 'dev'],
  ['LANE_REGISTRY', 'Kubernetes', 'registry', 'kubernetes'],
  ['LANE_KUBERNETES_ACCOUNT', '/run/account', 'kubernetesAccount', '/run/account'],
  ['LANE_KUBERNETES_SERVER', 'http://127.0.0.1:8001/', 'kubernetesServer', 'http://127.0.0.1:8001'],
  ['LANE_NACOS_GROUP', 'SHOP', 'nacosGroup', 'SHOP'],
  ['LANE_NACOS_USERNAME', 'lane', 'nacosUsername', 'lane'],
  ['LANE_NACOS_PASSWORD', 's, 3=t', 'nacosPassword', 's, 3=t'],
  ['LANE_NACOS_TRANSPORT', 'gRPC', 'nacosTransport', 'grpc'],
  ['LANE_NACOS_TRANSPORT', 'auto', 'nacosTransport', 'auto'],
  ['LANE_RULES', 'none', 'rules', 'none'],
  ['LANE_RULES', 'file:/etc/Lane/groups.json', 'rules', { file: '/etc/Lane/groups.json' }],
  ['LANE_CONTEXT', 'cls', 'context', 'cls'],
  ['LANE_MESSAGES', 'isolate', 'messages', 'isolate'],
  ['LANE_TRACES', 'otlp', 'traces', 'otlp'],
  ['LANE_TRACES', 'zipkin', 'traces', 'zipkin'],
  ['LANE_LOSSLESS', 'on', 'losslessMs', 25_000],
  ['LANE_LOSSLESS', '40s', 'losslessMs', 40_000],
  ['LANE_LOSSLESS', 'off', 'losslessMs', 0],
  ['LANE_WARMUP', '120s', 'warmupMs', 120_000],
  ['LANE_WARMUP', 'off', 'warmupMs', 0],
  ['LANE_NEAR', 'zone', 'near', { circle: 'zone', least: 1, share: 0.2, few: 0 }],
  ['LANE_NEAR', 'Region, least=2, share=0%, few=5', 'near', { circle: 'region', least: 2, share: 0, few: 5 }],
  ['LANE_NEAR', 'off', 'near', { circle: 'off', least: 1, share: 0.2, few: 0 }],
  ['LANE_ZONE', 'eu-1a', 'zone', 'eu-1a'],
  ['LANE_REGION', 'eu-1', 'region', 'eu-1'],
  ['LANE_SNAPSHOT_DIR', '/var/lane', 'snapshotDir', '/var/lane'],
  ['LANE_INSTRUMENTATIONS', '@acme/lane-foo, lane-bar', 'instrumentations', ['@acme/lane-foo', 'lane-bar']],
  ['LANE_BIND', 'a:b[0,1], @c/d/e.js:f()', 'bind', ['a:b[0,1]', '@c/d/e.js:f()']],
  ['LANE_DISABLE', 'undici,nacos', 'disable', ['undici', 'nacos']],
  ['LANE_LOG', 'DEBUG', 'log', 'debug'],
  ['LANE_LOG_FORMAT', 'json', 'logFormat', 'json'],
])('%s=%s sets %s', (variable, text, option, value) => {
  const { options, problems } = read({ [variable]: text });
  expect(options[option]).toEqual(value);
  expect(problems).toEqual([]);
});

test.each([
  ['pay', ['pay', 'pay']],
  ['pay.internal=Shop-Pay', ['pay.internal', 'Shop-Pay']],
  ['pay:8080', ['pay', 'pay', 8080]],
  ['pay.internal:8443=pay', ['pay.internal', 'pay', 8443]],
  ['dubbo=providers:com.example.Pay:1.0:', ['dubbo', 'providers:com.example.Pay:1.0:']],
])('LANE_SERVICES=%s', (text, service) => {
  expect(read({ LANE_SERVICES: text }).options.services).toEqual([service]);
});

test('LANE_READY_PATH without LANE_LOSSLESS does nothing, and a line says so', () => {
  expect(read({ LANE_READY_PATH: '/ready' }).problems).toMatchObject([{ message: expect.stringContaining('LANE_LOSSLESS=on') }]);
  const { options, problems } = read({ LANE_READY_PATH: '/ready?deep=1', LANE_LOSSLESS: 'on' });
  expect([options.readyPath, problems]).toEqual(['/ready?deep=1', []]);
});

test('LANE_NEAR without a place does nothing, and a line says so; in Nacos the registration may name the place', () => {
  const nowhere = { LANE_NEAR: 'zone', LANE_REGISTRY: 'kubernetes' };
  expect(read(nowhere).problems).toMatchObject([{ message: expect.stringMatching(/^LANE_NEAR=zone,.* Set LANE_ZONE or LANE_REGION/) }]);
  expect(read({ ...nowhere, LANE_REGION: 'eu-1' }).problems).toEqual([]);
  expect(read({ LANE_NEAR: 'zone' }).problems).toEqual([]);
});

test.each([
  ['LANE_LOSSLESS', 'maybe', 'losslessMs'],
  ['LANE_NEAR', 'city', 'near'],
  ['LANE_NEAR', 'zone,share=30', 'near'],
  ['LANE_NEAR', 'zone,share=101%', 'near'],
  ['LANE_NEAR', 'zone,least=0', 'near'],
  ['LANE_NEAR', 'least=2', 'near'],
  ['LANE_READY_PATH', 'ready', 'readyPath'],
  ['LANE_READY_PATH', '/a b', 'readyPath'],
  ['LANE_WARMUP', '120', 'warmupMs'],
  ['LANE_TAG', 'not a tag', 'tag'],
  ['LANE_STAMP', 'maybe', 'stamp'],
  ['LANE_BACKGROUND', 'mine', 'background'],
  ['LANE_FALLBACK', 'gray', 'fallback'],
  ['LANE_BASE_MODE', 'all', 'baseMode'],
  ['LANE_FORMATS', 'baggage,b3', 'formats'],
  ['LANE_FORMATS_IN', 'b3', 'formatsIn'],
  ['LANE_BAGGAGE_KEY', 'la ne', 'baggageKey'],
  ['LANE_SERVICES', 'a=b=c', 'services'],
  ['LANE_SERVICES', 'pay:http', 'services'],
  ['LANE_SERVICES', 'pay:65536=pay', 'services'],
  ['LANE_NACOS_TRANSPORT', 'udp', 'nacosTransport'],
  ['LANE_RULES', 'file:', 'rules'],
  ['LANE_CONTEXT', 'zone', 'context'],
  ['LANE_MESSAGES', 'drop', 'messages'],
  ['LANE_INSTRUMENTATIONS', '../elsewhere', 'instrumentations'],
  ['LANE_TRACES', 'jaeger', 'traces'],
  ['LANE_LOG', 'loud', 'log'],
  ['LANE_LOG_FORMAT', 'xml', 'logFormat'],
] as const)('%s=%s is rejected: the default stays, and one line says what is accepted', (variable, text, option) => {
  const { options, problems } = read({ [variable]: text });
  expect(options).toEqual(read({}).options);
  expect(problems).toMatchObject([
    {
      message: expect.stringMatching(/^\S+=".*" is not valid: must be .*\. \S.*\.$/),
    },
  ]);
  expect(problems[0]?.message).toContain(OPTION_ROWS[option].accepts);
});

test.each([
  [{ LANE_FALLBACK: 'gray' }, 'Using LANE_FALLBACK=base.'],
  [{ LANE_FORMATS: 'b3' }, 'Using LANE_FORMATS=baggage.'],
  [{ LANE_FALLBACK: 'gray', LANE_CONFIG: 'fallback' }, 'Using LANE_FALLBACK=none.'],
  [{ LANE_TAG: 'gr ay' }, 'This instance is base.'],
  [{ LANE_FORMATS_IN: 'b3' }, 'The formats of LANE_FORMATS are read.'],
  [{ LANE_LOSSLESS: 'maybe' }, 'Using LANE_LOSSLESS=off.'],
  [{ LANE_REGISTRY_HOLD: 'long' }, "Using the registry's own time: 40s with Nacos."],
])('%j: the line says what is in force instead', (environment, inForce) => {
  const given = 'LANE_CONFIG' in environment ? { ...environment, LANE_CONFIG: file('fallback.json', '{"fallback": "none"}') } : environment;
  expect(read(given).problems).toMatchObject([{ message: expect.stringContaining(inForce) }]);
});

describe('garbage in any option', () => {
  /** What may be any text: whether there is such a folder, user or package turns out later. */
  const ANY_TEXT = ['a folder', 'a user name', 'a password', 'host:port, or a comma-separated list of them'];
  const LISTS_CHECKED_LATER = ['LANE_BIND', 'LANE_DISABLE'];
  const rows = Object.values(OPTION_ROWS).filter((row) => !ANY_TEXT.includes(row.accepts) && !LISTS_CHECKED_LATER.includes(row.variable));

  test.each(rows.map((row) => [row.variable, row] as const))('%s: one line says what it must be, and what is in force instead', (variable, row) => {
    const options = { ...read({}).options, ...('whenUnusable' in row ? { [keyOf(row)]: row.whenUnusable.value } : {}) };
    for (const garbage of ['\u0007 ;{}', '\u200B', '[object Object] ?']) {
      const found = read({ [variable]: garbage });
      expect(found.options).toEqual(options);
      expect(found.problems).toHaveLength(1);
      const message = found.problems[0]?.message ?? '';
      expect(message.startsWith(`${variable}=${JSON.stringify(garbage)} is not valid: must be ${row.accepts}. `), message).toBe(true);
      expect(message).toMatch(/\. (?:\S+ )+\S+\.$/);
      // "Is not set" would leave the reader to find out what that means.
      expect(message).not.toMatch(/is not set\.$/);
    }
  });

  const keyOf = (row: unknown): string => Object.entries(OPTION_ROWS).find(([, one]) => one === row)?.[0] ?? '';
});

test.each([
  ['LANE_TAGG', 'LANE_TAG'],
  ['LANE_NACOS_SEVER', 'LANE_NACOS_SERVER'],
  ['lane_tag', 'LANE_TAG'],
  ['LANE.TAG', 'LANE_TAG'],
])('%s is reported with the intended name: %s', (name, meant) => {
  expect(read({ [name]: 'x' }).problems).toMatchObject([
    { message: expect.stringContaining(`${name} is not an option of the agent and is ignored`) },
  ]);
  expect(read({ [name]: 'x' }).problems[0]?.message).toContain(`did you mean ${meant}?`);
});

test.each([
  'LANE_CONSOLE_TOKEN',
  'LANE_CONSOLE_AUDIT_LOG',
  'LANE_APP_NODE_OPTIONS',
  'LANE_SERVICES_URL',
  'LANES',
  'LANE_KEEPING_ASSIST',
  'PLANE_TAG',
])('%s is not ours', (name) => expect(read({ [name]: 'x' }).problems).toEqual([]));

describe('an unusable option that restricts access falls back to the strictest value, and one line says so', () => {
  test.each([
    ...[
      '',
      'off',
      'nobody',
      'no',
      'false',
      '10.0.0.0/8;192.168.0.0/16',
      '10/8',
      '10.0.0.0/33',
      'fd00::/129',
      '10.0.0.0/8,everybody',
      '010.0.0.1',
      '*',
      ',',
    ],
  ])('LANE_TRUST=%s trusts nobody', (text) => {
    const LANE_CONFIG = file('wider.json', '{"trust": "all"}');
    for (const environment of [{ LANE_TRUST: text }, { LANE_TRUST: text, LANE_CONFIG }]) {
      const { options, problems } = read(environment);
      expect(options.trust).toBe('none');
      expect(problems).toMatchObject([
        {
          message: `LANE_TRUST=${JSON.stringify(text)} is not valid: must be ${OPTION_ROWS.trust.accepts}. No caller is trusted: their tags are ignored.`,
        },
      ]);
    }
  });

  test.each(['*', 'https://api.example.com', 'api.example.com:443', '/example/', '*.', 'a..b', '134744072', '0x8', '8.8', 'b.example/path'])(
    'LANE_PROPAGATE_TO=%s sends tags to internal hosts only',
    (text) => {
      const { options, problems } = read({ LANE_PROPAGATE_TO: `ok.example ${text}`, LANE_CONFIG: file('far.json', '{"propagateTo": "all"}') });
      expect(options.propagateTo).toBe('internal');
      expect(problems).toMatchObject([{ message: expect.stringMatching(/^LANE_PROPAGATE_TO=.*Tags go only to internal hosts\.$/) }]);
    },
  );

  test.each(['0', '0x7f000001', 'http://0.0.0.0', 'a b', '*', '127.1'])('LANE_ADMIN_HOST=%s listens on this machine only', (text) => {
    const { options, problems } = read({ LANE_ADMIN_HOST: text, LANE_CONFIG: file('open.json', '{"adminHost": "0.0.0.0"}') });
    expect(options.adminHost).toBe('127.0.0.1');
    expect(problems).toHaveLength(1);
  });

  test('an unusable LANE_ADMIN_PORT opens no port, even if the file names one', () => {
    expect(read({ LANE_ADMIN_PORT: '80 80', LANE_CONFIG: file('port.json', '{"adminPort": 9000}') }).options.adminPort).toBeUndefined();
  });

  test.each([
    ['{"trust": []}', 'none'],
    ['{"trust": false}', 'none'],
    ['{"trust": {"cidrs": ["10.0.0.0/8"]}}', 'none'],
    ['{"trust": ["10.0.0.0/8"]}', ['10.0.0.0/8']],
  ])('in the file %s', (content, trust) => {
    expect(read({ LANE_CONFIG: file('trust.json', content) }).options.trust).toEqual(trust);
  });

  test.each(['{', '[]', '"all"', ''])('in a file that contains %j, unless the environment sets it', (content) => {
    const LANE_CONFIG = file('broken-too.json', content);
    const { options, problems } = read({ LANE_CONFIG });
    expect(options).toEqual({ ...read({}).options, trust: 'none', baggageBoundary: 'strip' });
    expect(problems).toMatchObject([{ message: expect.stringMatching(/LANE_TRUST, .* no caller is trusted/) }]);
    expect(read({ LANE_CONFIG, LANE_TRUST: '10.0.0.0/8' }).options.trust).toEqual(['10.0.0.0/8']);
  });
});

test('messages do not contain the password', () => {
  const { problems } = readOptions({ LANE_CONFIG: file('secret.json', '{"nacosPassword": {"no": "secret"}}') }, NO_LABELS);
  expect(JSON.stringify(problems)).not.toContain('secret"');
});

test.each([
  ['', undefined, 0],
  ['0', 0, 0],
  ['65535', 65_535, 0],
  ['65536', undefined, 1],
  ['http', undefined, 1],
])('LANE_ADMIN_PORT=%s', (value, port, problems) => {
  const found = read({ LANE_ADMIN_PORT: value });
  expect([found.options.adminPort, found.problems.length]).toEqual([port, problems]);
});

describe('the options file', () => {
  test.each([
    ['lane.json', '{"LANE_TAG": "gray", "nacosServer": "nacos:8848", "services": ["shop-b", "c=shop-c"], "stamp": true}'],
    ['lane.yaml', 'LANE_TAG: gray\nnacosServer: nacos:8848\nservices: [shop-b, c=shop-c]\nstamp: true\n'],
  ])('%s accepts both spellings of options', (name, content) => {
    const { options, problems } = read({ LANE_CONFIG: file(name, content) });
    expect(problems).toEqual([]);
    expect(options).toMatchObject({
      tag: 'gray',
      nacosServer: 'nacos:8848',
      services: [
        ['shop-b', 'shop-b'],
        ['c', 'shop-c'],
      ],
      stamp: true,
    });
  });

  test('yields to the environment, and replaces unusable values of it', () => {
    const LANE_CONFIG = file('both.json', '{"tag": "blue", "fallback": "none"}');
    expect(read({ LANE_CONFIG, LANE_TAG: 'gray' }).options).toMatchObject({ tag: 'gray', fallback: 'none' });
    const { options, problems } = read({ LANE_CONFIG, LANE_TAG: 'not a tag' });
    expect(options.tag).toBe('blue');
    expect(problems).toHaveLength(1);
  });

  test.each([
    ['of an unknown option', 'unknown.json', '{"nacosSrver": "n:1"}', /unknown option "nacosSrver": must be one of .*nacosServer/],
    ['that is broken JSON', 'broken.json', '{', /broken\.json can't be read: .*environment's settings only/],
    ['that is broken YAML', 'broken.yaml', 'a: [', /broken\.yaml can't be read: /],
    ['that is a list', 'list.json', '[]', /list\.json is not valid: must be a JSON or YAML object/],
  ])('%s: one line names it, and the app gets the defaults, the strictest where they restrict access', (_, name, content, message) => {
    const { options, problems } = read({ LANE_CONFIG: file(name, content) });
    expect(options).toEqual({ ...read({}).options, ...(name === 'unknown.json' ? {} : { trust: 'none', baggageBoundary: 'strip' }) });
    expect(problems).toMatchObject([{ message: expect.stringMatching(message) }]);
  });

  test('that does not exist is named', () => {
    expect(read({ LANE_CONFIG: join(folder, 'absent.json') }).problems).toMatchObject([
      { message: expect.stringMatching(/absent\.json can't be read: ENOENT/) },
    ]);
  });
});

describe("the pod's labels", () => {
  test.each([
    ['app="shop-a"\nalicloud.service.tag="gray"\n', 'gray', 0],
    ['app="shop-a"\n', undefined, 0],
    ['traffic.opensergo.io/label="gray"\n', 'gray', 0],
    ['traffic.opensergo.io/label="blue"\nalicloud.service.tag="gray"\n', 'gray', 0],
    ['alicloud.service.tag=""\n', undefined, 0],
    ['alicloud.service.tag="not a tag"\n', undefined, 1],
  ])('%j: tag %s', (labels, tag, problems) => {
    const found = readOptions({}, file('labels', labels));
    expect([found.options.tag, found.problems.length]).toEqual([tag, problems]);
  });

  test.each([
    ['topology.kubernetes.io/zone="eu-1a"\ntopology.kubernetes.io/region="eu-1"\n', 'eu-1a', 'eu-1'],
    ['topology.kubernetes.io/zone=""\n', undefined, undefined],
  ])('%j: zone %s, region %s', (labels, zone, region) => {
    expect(readOptions({}, file('labels', labels)).options).toMatchObject({ zone, region });
    expect(readOptions({ LANE_ZONE: 'mine' }, file('labels', labels)).options.zone).toBe('mine');
  });

  test('yield to the environment', () => {
    expect(readOptions({ LANE_TAG: 'blue' }, file('labels', 'alicloud.service.tag="gray"\n')).options.tag).toBe('blue');
  });
});

describe('the table of options in the documents', () => {
  const page = readFileSync(join(__dirname, '../../../../docs/reference/options.md'), 'utf8');
  const rows = [...page.slice(0, page.indexOf('\n## ')).matchAll(/^\| `(LANE_\w+)` \| (.*?) \|/gm)];

  test('lists each option, in the order of the agent', () => {
    expect(rows.map(([, variable]) => variable)).toEqual(Object.values(OPTION_ROWS).map(({ variable }) => variable));
  });

  test("lists the agent's defaults", () => {
    for (const [, variable, shown] of rows) {
      const row = Object.values(OPTION_ROWS).find((one) => one.variable === variable);
      const fallback: unknown = row?.fallback;
      // Others have a default that depends on something, told in words.
      if (fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)) expect(shown, variable).not.toMatch(/^`/);
      else expect(shown, variable).toBe(`\`${row?.show?.(fallback) ?? String(fallback)}\``);
    }
  });
});
