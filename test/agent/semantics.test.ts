/** The meaning of the options according to the contract: environment × inbound headers → what the app and its peer see. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@lane/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPeer, type Peer, type Seen } from './peer.js';
import { appFile, send, startApp, type App } from './run-app.js';

interface Echo {
  readonly lane: string | null;
  readonly background: string | null;
  readonly mark: { readonly tag?: string; readonly source: string; readonly rule?: string } | null;
  readonly http: Seen;
  readonly fetch: Seen;
}

/** The list of MSE 4 in baggage. */
const MSE_LIST = '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]';
const NEPXION_MAP = '{"a":"1.0","b":"1.1"}';

let peer: Peer;
beforeAll(async () => {
  peer = await startPeer();
});
afterAll(() => peer.close());

async function withApp<T>(env: Record<string, string>, use: (app: App) => Promise<T>, preload: string[] = []): Promise<T> {
  const app = await startApp({ script: 'echo.cjs', env: { PEER: `http://127.0.0.1:${peer.port}/`, ...env }, preload });
  try {
    return await use(app);
  } finally {
    await app.stop();
  }
}

async function echo(app: App, headers: Record<string, string> = {}, query = ''): Promise<Echo> {
  return JSON.parse((await send(app.port, `/?${query}`, headers)).body) as Echo;
}

/** The headers that both clients wrote. */
function wrote({ http, fetch }: Echo): unknown {
  expect(fetch.baggage).toEqual(http.baggage);
  return http.baggage.join(' | ');
}

describe('stamping and background work', () => {
  test.each([
    [{ LANE_TAG: 'gray' }, undefined, null, '', 'gray'],
    [{ LANE_TAG: 'gray' }, 'blue', 'blue', 'lane=blue', 'gray'],
    [{ LANE_TAG: 'gray', LANE_STAMP: 'true' }, undefined, 'gray', 'lane=gray', 'gray'],
    [{ LANE_TAG: 'gray', LANE_STAMP: 'true' }, 'blue', 'blue', 'lane=blue', 'gray'],
    [{ LANE_TAG: 'gray', LANE_BACKGROUND: 'base' }, undefined, null, '', null],
    [{ LANE_TAG: 'gray', LANE_BACKGROUND: 'base' }, 'gray', 'gray', 'lane=gray', null],
    [{ LANE_STAMP: 'true' }, undefined, null, '', null],
    [{ 'alicloud.service.tag': 'gray', 'profiler.micro.service.tag.trace.enable': 'true' }, undefined, 'gray', 'lane=gray', 'gray'],
    [{ MSE_ALICLOUD_SERVICE_TAG: 'gray' }, undefined, null, '', 'gray'],
  ] as Array<[Record<string, string>, string | undefined, string | null, string, string | null]>)(
    '%j, request of %s: lane %s, written %j, background %s',
    async (env, inbound, lane, written, background) => {
      await withApp(env, async (app) => {
        for (let i = 0; i < 3; i++) {
          const answer = await echo(app, inbound === undefined ? {} : { baggage: `lane=${inbound}` });
          expect([answer.lane, wrote(answer), answer.background]).toEqual([lane, written, background]);
        }
      });
    },
  );

  test('the tag of a disabled lane counts as none: inbound, for stamping and for background work', async () => {
    const RULES = JSON.stringify({ version: 1, groups: [{ name: 'shop', services: ['a'], lanes: [{ name: 'gray', tag: 'gray', enabled: false }] }] });
    await withApp(
      { LANE_TAG: 'gray', LANE_STAMP: 'true', RULES },
      async (app) => {
        for (const headers of [{}, { baggage: 'lane=gray' }] as Array<Record<string, string>>) {
          const answer = await echo(app, headers);
          expect([answer.lane, wrote(answer), answer.background]).toEqual([null, '', null]);
        }
        expect(wrote(await echo(app, { baggage: 'lane=blue' }))).toBe('lane=blue');
      },
      ['known-instances.cjs'],
    );
  });

  test.each([
    ['by LANE_SERVICE', 'a', { LANE_SERVICE: 'a' }],
    ['in its package.json', '@lane/test', {}],
  ] as Array<[string, string, Record<string, string>]>)(
    'entry rules of a service named %s put requests into a lane, and say which rule did',
    async (_, service, env) => {
      const RULES = JSON.stringify({
        version: 1,
        groups: [
          {
            name: 'shop',
            services: [service],
            entry: { services: [service] },
            lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'staff', match: { header: 'x-user', exact: 'alice' } }] }],
          },
        ],
      });
      await withApp(
        { ...env, RULES },
        async (app) => {
          const alice = await echo(app, { 'x-user': 'alice' });
          expect([alice.lane, wrote(alice), alice.mark]).toEqual(['gray', 'lane=gray', { tag: 'gray', source: 'rule', rule: 'shop/gray/staff' }]);
          const bob = await echo(app, { 'x-user': 'bob' });
          expect([bob.lane, wrote(bob), bob.mark?.source]).toEqual([null, '', 'none']);
          expect((await echo(app, { 'x-user': 'alice', baggage: 'lane=blue' })).lane).toBe('blue');
        },
        ['known-instances.cjs'],
      );
    },
  );
});

describe('trust', () => {
  test.each([
    ['all', 'gray', 'lane=gray,user=42'],
    ['none', null, 'user=42'],
    ['127.0.0.0/8', 'gray', 'lane=gray,user=42'],
    ['10.0.0.0/8, 127.0.0.1', 'gray', 'lane=gray,user=42'],
    ['10.0.0.0/8', null, 'user=42'],
  ])('LANE_TRUST=%s: lane %s, and %j remains of copied headers', async (LANE_TRUST, lane, written) => {
    await withApp({ LANE_TRUST }, async (app) => {
      const answer = await echo(app, { baggage: 'user=42,lane=gray' }, 'copy');
      expect([answer.lane, wrote(answer)]).toEqual([lane, written]);
      expect((await echo(app)).lane).toBe(null);
    });
  });
});

describe('where tags are sent', () => {
  test('a public host gets none, which is logged once with the remedy', async () => {
    await withApp({ LOOKUP_ALL: '1' }, async (app) => {
      for (let i = 0; i < 3; i++) {
        const answer = JSON.parse(
          (await send(app.port, `/?ways=http&url=http://api.shop.example:${peer.port}/`, { baggage: 'lane=gray' })).body,
        ) as Echo;
        expect([answer.lane, answer.http.baggage]).toEqual(['gray', []]);
      }
      expect(app.stderr()).toBe(
        'lane warn: the lane tag is not sent to api.shop.example: it does not look internal. If it is part of the call chain, add it: LANE_PROPAGATE_TO=api.shop.example\n',
      );
    });
  });

  test.each(['all', 'api.shop.example', 'other.example,*.shop.example'])('LANE_PROPAGATE_TO=%s sends it there', async (LANE_PROPAGATE_TO) => {
    await withApp({ LOOKUP_ALL: '1', LANE_PROPAGATE_TO }, async (app) => {
      const answer = JSON.parse(
        (await send(app.port, `/?ways=http&url=http://api.shop.example:${peer.port}/`, { baggage: 'lane=gray' })).body,
      ) as Echo;
      expect(answer.http.baggage).toEqual(['lane=gray']);
      expect(app.stderr()).toBe('');
    });
  });
});

describe('other baggage entries', () => {
  const ask = async (app: App, host: string, baggage: string): Promise<unknown> => {
    const url = encodeURIComponent(`http://${host}:${peer.port}/`);
    const answer = JSON.parse((await send(app.port, `/?copy=1&url=${url}`, { baggage })).body) as Echo;
    return wrote(answer);
  };

  test.each<[env: Record<string, string>, host: string, given: string, sent: string]>([
    [{}, 'api.shop.example', 'user=42', 'user=42'],
    [{ LANE_BAGGAGE_BOUNDARY: 'strip' }, 'api.shop.example', 'user=42', ''],
    [{ LANE_BAGGAGE_BOUNDARY: 'strip' }, 'api.shop.example', 'user=42,lane=gray', ''],
    [{ LANE_BAGGAGE_BOUNDARY: 'strip' }, '127.0.0.1', 'user=42,lane=gray', 'lane=gray,user=42'],
    [{ LANE_BAGGAGE_BOUNDARY: 'strip', LANE_PROPAGATE_TO: '*.shop.example' }, 'api.shop.example', 'user=42', 'user=42'],
  ])('%j: a call to %s with %s carries %j', async (env, host, given, sent) => {
    await withApp(env, async (app) => expect(await ask(app, host, given)).toBe(sent), [appFile('every-host-is-here.cjs')]);
  });
});

describe('formats', () => {
  test.each<[Record<string, string>, Record<string, string>, Record<string, string | undefined>]>([
    [{ LANE_FORMATS: 'mse' }, { 'x-mse-tag': 'gray' }, { 'x-mse-tag': 'gray', baggage: `${MSE_LIST},x-mse-gray-tag=gray` }],
    [{ LANE_FORMATS: 'mse' }, { baggage: 'x-mse-gray-tag=gray' }, { 'x-mse-tag': 'gray', baggage: `${MSE_LIST},x-mse-gray-tag=gray` }],
    [{ LANE_FORMATS: 'mse' }, { baggage: MSE_LIST }, { 'x-mse-tag': 'gray', __microservice_tag__: undefined }],
    [{ LANE_FORMATS: 'joylive' }, { 'x-lane-code': 'gray' }, { 'x-lane-code': 'gray', 'x-lane-space-id': 'default' }],
    [{ LANE_FORMATS: 'opensergo' }, { 'opensergo-label': 'gray' }, { 'opensergo-label': 'gray' }],
    [{ LANE_FORMATS: 'asm(X-My-Tag)' }, { 'x-my-tag': 'gray' }, { 'x-my-tag': 'gray', 'x-asm-prefer-tag': undefined }],
    [{ LANE_FORMATS: 'header(x-canary), baggage' }, { 'x-canary': 'gray' }, { 'x-canary': 'gray', baggage: 'lane=gray' }],
    // Versions per service are forwarded unchanged, whatever this service is.
    [{ LANE_FORMATS: 'nepxion', LANE_SERVICE: 'a' }, { 'n-d-version': NEPXION_MAP }, { 'n-d-version': NEPXION_MAP }],
    [{ LANE_FORMATS: 'nepxion', LANE_SERVICE: 'stranger' }, { 'n-d-version': NEPXION_MAP }, { 'n-d-version': NEPXION_MAP }],
    [{ LANE_FORMATS: 'nepxion', LANE_SERVICE: 'a', LANE_TRUST: 'none' }, { 'n-d-version': NEPXION_MAP }, { 'n-d-version': undefined }],
    [{ LANE_FORMATS: 'mse' }, { baggage: 'lane=gray' }, { 'x-mse-tag': undefined, baggage: undefined }],
    [{ LANE_FORMATS: 'polaris' }, { 'service-lane': 'shop/gray' }, { 'service-lane': 'default/gray', baggage: undefined }],
    [{ LANE_FORMATS: 'dubbo' }, { 'dubbo.tag': 'gray' }, { 'dubbo.tag': 'gray' }],
    [{ LANE_FORMATS: 'asm' }, { 'x-asm-prefer-tag': 'gray' }, { 'x-asm-prefer-tag': 'gray' }],
    [{ LANE_FORMATS: 'nepxion' }, { 'n-d-version': 'gray' }, { 'n-d-version': 'gray' }],
    [{ LANE_FORMATS: 'baggage,mse' }, { 'x-mse-tag': 'gray' }, { 'x-mse-tag': 'gray', baggage: `lane=gray,${MSE_LIST},x-mse-gray-tag=gray` }],
    [
      { LANE_FORMATS: 'baggage', LANE_FORMATS_IN: 'mse,baggage' },
      { 'x-mse-tag': 'gray', baggage: 'lane=blue' },
      { 'x-mse-tag': undefined, baggage: 'lane=gray' },
    ],
    [{ LANE_BAGGAGE_KEY: 'canary' }, { baggage: 'canary=gray,lane=blue' }, { baggage: 'canary=gray' }],
    [{}, { baggage: 'lane=gray%3Bp%3D1' }, { baggage: 'lane=gray' }],
    [{}, { baggage: 'lane=blue,lane=gray;p=1' }, { baggage: 'lane=gray' }],
    [{}, { baggage: `lane=${'x'.repeat(65)}` }, { baggage: undefined }],
    [{}, { baggage: 'lane=gr%C3%A4y' }, { baggage: undefined }],
    [{}, { baggage: 'lane=,,;=,lane' }, { baggage: undefined }],
  ])('%j, given %j: %j', async (env, inbound, written) => {
    await withApp(env, async (app) => {
      const { http, fetch } = await echo(app, inbound);
      for (const [name, value] of Object.entries(written)) expect([name, http.headers[name], fetch.headers[name]]).toEqual([name, value, value]);
      expect(app.stderr()).toBe('');
    });
  });
});

describe('unusable settings', () => {
  test.each([
    [{ LANE_TAG: 'gr ay' }, 'lane error: LANE_TAG="gr ay" is not valid: must be 1 to 64 characters of A-Z a-z 0-9 . _ -. This instance is base.\n'],
    [{ LANE_STAMP: 'maybe' }, 'lane error: LANE_STAMP="maybe" is not valid: must be true or false. Using LANE_STAMP=false.\n'],
    [{ LANE_FORMATS: 'baggage,b3' }, /^lane error: LANE_FORMATS="baggage,b3" is not valid: must be a comma-separated list of baggage, mse, .*\n$/],
    [{ LANE_DISABLE: 'htp' }, /^lane error: LANE_DISABLE names "htp", which is not an instrumentation: must be one of http-server, .*\n$/],
    [{ LANE_TRACES: 'jaeger' }, 'lane error: LANE_TRACES="jaeger" is not valid: must be none, otlp or zipkin. Using LANE_TRACES=none.\n'],
    [{ LANE_RULES: 'file:/nowhere/groups.json' }, /^lane warn: there are no lane groups: the file \/nowhere\/groups.json can't be read .*\n$/],
    [{ LANE_CONTEXT: 'cls' }, /^lane error: LANE_CONTEXT=cls needs the package cls-hooked in the app: npm install cls-hooked\. .*\n$/],
  ] as Array<[Record<string, string>, string | RegExp]>)('%j: one clear line, and the app serves', async (env, line) => {
    await withApp(env, async (app) => {
      expect(wrote(await echo(app, { baggage: 'lane=blue' }))).toBe('lane=blue');
      const told = line instanceof RegExp ? line : new RegExp(`^${line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
      // A file is read beside the requests.
      await eventually(() => expect(app.stderr()).toMatch(told));
    });
  });

  test('an unreadable LANE_CONFIG restricts whatever it may have restricted: one line, and no tag is trusted', async () => {
    await withApp({ LANE_CONFIG: '/nowhere/lane.yaml' }, async (app) => {
      expect(wrote(await echo(app, { baggage: 'lane=blue' }))).toBe('');
      expect(app.stderr()).toMatch(/^lane error: LANE_CONFIG=\/nowhere\/lane.yaml can't be read: ENOENT.*\n$/);
    });
  });
});

describe('the options file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lane-options-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ['lane.json', '{"tag": "gray", "stamp": true, "formats": ["header(x-any)", "baggage"]}'],
    ['lane.yaml', 'tag: gray\nLANE_STAMP: true\nformats: [header(x-any), baggage]\n'],
  ])('%s is read, and the environment takes precedence', async (name, content) => {
    const path = join(folder, name);
    await writeFile(path, content);
    await withApp({ LANE_CONFIG: path }, async (app) => {
      const answer = await echo(app);
      expect([wrote(answer), answer.http.headers['x-any']]).toEqual(['lane=gray', 'gray']);
    });
    await withApp({ LANE_CONFIG: path, LANE_TAG: 'blue' }, async (app) => expect(wrote(await echo(app))).toBe('lane=blue'));
  });
});

describe('disabling instrumentations', () => {
  test.each<[string, string | null, string, string]>([
    ['all', null, '', ''],
    ['http-server', null, '', ''],
    ['http-client', 'gray', '', 'lane=gray'],
    ['undici', 'gray', 'lane=gray', ''],
  ])('LANE_DISABLE=%s: lane %s, http writes %j, fetch %j', async (LANE_DISABLE, lane, http, fetch) => {
    await withApp({ LANE_DISABLE }, async (app) => {
      const answer = await echo(app, { baggage: 'lane=gray' });
      expect([answer.lane, answer.http.baggage.join(), answer.fetch.baggage.join()]).toEqual([lane, http, fetch]);
    });
  });
});
