/** The commands that read and change lane groups, as people and scripts use them, against the embedded Nacos. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { LaneGroupsStore, publishLaneGroups } from '@lane/storage';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Result } from '@lane/testing';
import { runLane } from '@lane/testing/programs';

const SHOP = {
  name: 'shop',
  services: ['a', 'b', 'c'],
  entry: { services: ['edge'] },
  lanes: [{ name: 'gray', tag: 'gray', rules: [{ name: 'by-domain', match: { host: { exact: 'www.example.com' } } }] }],
};

let nacos: EmbeddedNacos;
let connection: NacosConnection;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lane-groups-'));
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: nacos.address });
  await publishLaneGroups(connection, JSON.stringify({ version: 1, groups: [SHOP] }));
});
afterEach(async () => {
  await connection.close();
  await nacos.close();
  rmSync(folder, { recursive: true });
});

const lane = (args: readonly string[], input?: string): Promise<Result> =>
  runLane(args, { env: { LANE_NACOS_SERVER: nacos.address, USER: 'ann' }, ...(input === undefined ? {} : { input }) });

/** What it prints, of a command that has to do what it was asked. */
async function done(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await lane(args, input);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.trimEnd();
}

async function asJson(args: readonly string[], input?: string): Promise<unknown> {
  return JSON.parse(await done([...args, '--json'], input)) as unknown;
}

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const inForce = async (): Promise<unknown> => (await new LaneGroupsStore(connection).read()).document.groups;

async function register(name: string, port: number, tag?: string): Promise<void> {
  const metadata = tag === undefined ? {} : { metadata: { lane: tag } };
  await connection.register({ name, group: 'DEFAULT_GROUP' }, { ip: '192.0.2.1', port, ephemeral: false, ...metadata });
}

describe('lane group create', () => {
  test('creates a group of services, and says what it lacks', async () => {
    expect(await done(['group', 'create', 'pay', '--services', 'x, y', '--entry', 'edge'])).toBe('created lane group pay of x, y');
    expect(await inForce()).toMatchObject([SHOP, { name: 'pay', services: ['x', 'y'], entry: { services: ['edge'] }, lanes: [] }]);
    expect(await done(['create', 'pay/gray', '--host', 'pay.example.com'])).toBe('created lane pay/gray with tag gray');
    expect(await lane(['group', 'create', 'bare', '--services', 'z'])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/without --entry/) as string,
    });
    expect(await lane(['group', 'create', 'shop', '--services', 'z'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/already/) as string });
    expect((await lane(['group', 'create', 'no'])).code).toBe(2);
    expect((await lane(['group', 'create', 'no', '--services', 'a,,b'])).stderr).toMatch(/comma-separated list of names/);
  });
});

describe('a server that is not Nacos, and a namespace that does not exist', () => {
  /** Answers as some server does. */
  async function serve(answer: (url: string, response: ServerResponse) => void): Promise<string> {
    const server = createServer((request, response) => answer(request.url ?? '', response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test.each(['', 'Not Found', '404 page not found\n'])('a server that answers 404 with %j has not "no lane groups"', async (body) => {
    const server = await serve((_, response) => response.writeHead(404).end(body));
    for (const args of [['group', 'list'], ['status']]) {
      const { code, stdout, stderr } = await runLane([...args, '--nacos', server], { env: {} });
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/answered 404 .* is it a Nacos server\? Set --nacos to its host:port\n$/);
    }
    const created = await runLane(['group', 'create', 'x', '--services', 'a', '--nacos', server], { env: {} });
    expect([created.code, created.stdout]).toEqual([1, '']);
    expect((await runLane(['group', 'list'], { env: { LANE_NACOS_SERVER: server } })).stderr).toMatch(/Set LANE_NACOS_SERVER to its host:port\n$/);
  });

  test('a change in a namespace that does not exist is rejected: Nacos would accept it, and show it to nobody', async () => {
    const put: string[] = [];
    const server = await serve((url, response) => {
      if (url.startsWith('/nacos/v1/console/namespaces'))
        response.end(
          JSON.stringify({
            code: 200,
            data: [
              { namespace: '', namespaceShowName: 'public' },
              { namespace: '1-2', namespaceShowName: 'dev' },
            ],
          }),
        );
      else {
        put.push(url);
        response.writeHead(404).end('config data not exist\n');
      }
    });
    const create = (namespace: string): Promise<Result> =>
      runLane(['group', 'create', 'x', '--services', 'a', '--nacos', server, '--namespace', namespace], { env: {} });
    expect(await create('nope')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/has no namespace nope: there are public, 1-2 \(dev\)\n$/) as string,
    });
    expect(await create('dev')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/dev is the name of a namespace.*set --namespace 1-2\n$/) as string,
    });
    for (const command of [['status'], ['console', '--port', '0'], ['gateway', '--port', '0', '--route', 'www.example.com=web']])
      expect(await runLane([...command, '--nacos', server, '--namespace', 'nope'], { env: {} })).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/has no namespace nope/) as string,
      });
    expect(put).toEqual([]);
  });
});

test('lane help reports an unknown command', async () => {
  expect(await lane(['help', 'stauts'])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/there is no command stauts: did you mean status\?/) as string,
  });
  expect(await lane(['help', 'group', 'foo'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/there is no command foo of lane group: the commands are list, /) as string,
  });
  expect((await lane(['help', 'status'])).stdout).toContain('Usage: lane status');
});

describe('lane group', () => {
  test('lists and shows what is stored', async () => {
    expect(await done(['group', 'list'])).toBe('GROUP  SERVICES  ENTRY  LANES\nshop   a, b, c   edge   gray');
    expect(await asJson(['group', 'list'])).toMatchObject({ groups: [SHOP], md5: expect.stringMatching(/^[0-9a-f]{32}$/) as string });
    expect(JSON.parse(await done(['group', 'show', 'shop']))).toEqual(SHOP);
    expect(JSON.parse(await done(['group', 'show']))).toEqual({ version: 1, groups: [SHOP] });
    const { code, stderr } = await lane(['group', 'show', 'shp']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/there is no lane group shp.*shop/)]);
  });

  test('puts a file in force, JSON or YAML, a document or one group, and leaves other groups alone', async () => {
    const yaml = write('inventory.yaml', 'name: inventory\nservices: [stock]\nlanes:\n  - { name: blue, tag: blue }\n');
    expect(await done(['group', 'apply', yaml])).toBe('in force: inventory');
    const inventory = { name: 'inventory', services: ['stock'], lanes: [{ name: 'blue', tag: 'blue' }] };
    expect(await inForce()).toMatchObject([SHOP, inventory]);
    expect(await done(['group', 'apply', yaml])).toBe('nothing to change');
    const document = JSON.stringify({ version: 1, groups: [{ ...inventory, services: ['stock', 'shelf'] }] });
    expect(await asJson(['group', 'apply', '-'], document)).toMatchObject({ ok: true, changed: true });
    expect(await inForce()).toMatchObject([SHOP, { name: 'inventory', services: ['stock', 'shelf'] }]);
    await done(['group', 'apply', '--prune', write('all.json', document)]);
    expect(await inForce()).toMatchObject([{ name: 'inventory' }]);
  });

  test('with --dry-run shows what would change, and changes nothing', async () => {
    const file = write('shop.json', JSON.stringify({ ...SHOP, services: ['a', 'b'] }));
    const told = await done(['group', 'apply', '--dry-run', file]);
    expect(told).toMatch(/^-\s+"c"$/m);
    expect(await inForce()).toMatchObject([SHOP]);
  });

  test('an invalid file changes nothing: each problem is reported with line and column', async () => {
    const file = write('shop.yaml', 'version: 1\ngroups:\n  - name: shop\n    services: [a]\n    lanes:\n      - { name: gray, tag: "g r" }\n');
    const { code, stdout, stderr } = await lane(['group', 'apply', file]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`${file}:6:`);
    expect(stderr).toContain('/groups/0/lanes/0/tag');
    const asked = await lane(['group', 'apply', file, '--json']);
    expect(JSON.parse(asked.stdout)).toMatchObject({ ok: false, code: 'ELANE_INVALID_LANE_GROUPS', problems: [{ line: 6 }] });
    expect(await inForce()).toMatchObject([SHOP]);
  });

  test('with --if-md5 does not overwrite what somebody else has changed meanwhile: exit code 3', async () => {
    const { md5 } = (await asJson(['group', 'show', 'shop'])) as { md5: string };
    await done(['disable', 'shop/gray']);
    const file = write('shop.json', JSON.stringify({ ...SHOP, services: ['a'] }));
    const { code, stderr } = await lane(['group', 'apply', file, '--if-md5', md5]);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/^lane: .*changed/)]);
    expect(await inForce()).toMatchObject([{ services: ['a', 'b', 'c'], lanes: [{ enabled: false }] }]);
    const now = (await asJson(['group', 'show', 'shop'])) as { md5: string };
    await done(['group', 'apply', file, '--if-md5', now.md5]);
    expect(await inForce()).toMatchObject([{ services: ['a'] }]);
  });

  test('deletes', async () => {
    expect(await done(['group', 'delete', 'shop'])).toBe('deleted lane group shop');
    expect(await inForce()).toEqual([]);
    expect(await done(['group', 'list'])).toMatch(/there are no lane groups/);
    expect(await lane(['group', 'delete', 'shop'])).toMatchObject({ code: 1, stdout: '' });
  });

  test('accepts the former name of --author, and names the present one', async () => {
    const { code, stderr } = await lane(['disable', 'shop/gray', '--by', 'bob']);
    expect([code, stderr]).toEqual([0, 'warning: --by is deprecated here: use --author\n']);
    const { versions } = (await asJson(['group', 'history'])) as { versions: { by?: string }[] };
    expect(versions[0]?.by).toBe('bob');
    expect(await done(['disable', '--help'])).not.toMatch(/--by/);
  });

  test('has a history of who changed what, and rolls back to an earlier version', async () => {
    await done(['disable', 'shop/gray', '--author', 'bob']);
    await done(['group', 'delete', 'shop', '--author', 'carl']);
    const { versions } = (await asJson(['group', 'history'])) as { versions: { id: string; by?: string; isCurrent: boolean }[] };
    expect(versions.map(({ by, isCurrent }) => [by, isCurrent])).toEqual([
      ['carl', true],
      ['bob', false],
      [undefined, false],
    ]);
    const first = versions[2]?.id as string;
    expect(JSON.parse(await done(['group', 'history', first]))).toMatchObject({ groups: [SHOP] });
    expect(await done(['group', 'rollback', first, '--dry-run'])).toMatch(/^\+.*"shop"/m);
    expect(await inForce()).toEqual([]);
    await done(['group', 'rollback', first]);
    expect(await inForce()).toMatchObject([SHOP]);
    expect(await lane(['group', 'rollback', '4711'])).toMatchObject({ code: 1, stderr: expect.stringContaining('4711') as string });
  });
});

describe('a lane', () => {
  test('is created with rules, switched off and on, and deleted', async () => {
    const rules = ['--host', 'blue.example.com', '--cookie', 'team=blue', '--percent', '12.5', '--sticky', 'cookie:uid', '--fallback', 'none'];
    expect(await done(['create', 'shop/blue', '--tag', 'b1', ...rules])).toBe('created lane shop/blue with tag b1');
    const share = { percent: 12.5, by: { cookie: 'uid' } };
    const blue = {
      name: 'blue',
      tag: 'b1',
      fallback: 'none',
      rules: [
        { name: 'by-host', match: { host: { exact: 'blue.example.com' } }, ...share },
        { name: 'by-cookie-team', match: { cookie: 'team', exact: 'blue' }, ...share },
      ],
    };
    expect(await inForce()).toMatchObject([{ lanes: [SHOP.lanes[0], blue] }]);
    expect(await done(['disable', 'shop/blue'])).toBe('disabled lane shop/blue');
    expect(await inForce()).toMatchObject([{ lanes: [{ name: 'gray' }, { ...blue, enabled: false }] }]);
    expect(await done(['enable', 'shop/blue'])).toBe('enabled lane shop/blue');
    expect(await done(['enable', 'shop/blue'])).toBe('nothing to change');
    expect(await inForce()).toMatchObject([{ lanes: [{ name: 'gray' }, blue] }]);
    expect(await done(['delete', 'shop/blue'])).toBe('deleted lane shop/blue');
    expect(await inForce()).toMatchObject([SHOP]);
  });

  test('gets a share of all requests, which keeps its sticky key, with a warning of what it takes from others', async () => {
    const [byDomain] = SHOP.lanes[0]?.rules ?? [];
    expect(await done(['set', 'shop/gray', '--percent', '25', '--by', 'cookie:uid'])).toBe(
      'set lane shop/gray: 25 % of requests, sticky by cookie uid',
    );
    const share = { name: 'by-percentage', percent: 25, by: { cookie: 'uid' } };
    expect(await inForce()).toMatchObject([{ lanes: [{ rules: [byDomain, share] }] }]);
    expect(await done(['set', 'shop/gray', '--percent', '50', '--fallback', 'none'])).toBe(
      'set lane shop/gray: 50 % of requests, sticky by cookie uid, fallback none',
    );
    expect(await inForce()).toMatchObject([{ lanes: [{ fallback: 'none', rules: [byDomain, { ...share, percent: 50 }] }] }]);
    const { code, stdout, stderr } = await lane(['create', 'shop/blue', '--host', 'blue.example.com']);
    expect([code, stdout]).toEqual([0, 'created lane shop/blue with tag blue\n']);
    expect(stderr).toBe(
      'warning: rule shop/gray/by-percentage takes 50 % of all requests, and is asked before rule shop/blue/by-host: that share of its requests goes to lane shop/gray. Put lane shop/blue before lane shop/gray\n',
    );
    expect(await asJson(['set', 'shop/gray', '--percent', '0'])).toMatchObject({ changed: true, warnings: [] });
  });

  test('sticks to the key of its group’s other shares, unless another is given, or random', async () => {
    await done(['set', 'shop/gray', '--percent', '10', '--by', 'header:x-user']);
    expect(await lane(['create', 'shop/blue', '--percent', '5'])).toMatchObject({ code: 0, stderr: '' });
    expect(await inForce()).toMatchObject([{ lanes: [{}, { rules: [{ percent: 5, by: { header: 'x-user' } }] }] }]);
    await done(['delete', 'shop/blue']);
    await done(['create', 'shop/blue']);
    expect(await done(['set', 'shop/blue', '--percent', '20'])).toBe('set lane shop/blue: 20 % of requests, sticky by header x-user');
    const { stdout, stderr } = await lane(['set', 'shop/blue', '--by', 'random']);
    expect(stdout).toBe('set lane shop/blue: 20 % of requests, at random\n');
    expect(stderr).toMatch(/^warning: each request is drawn at random/);
    const after = JSON.stringify(await inForce());
    expect(after).toContain('"rules":[{"name":"by-percentage","percent":20}]');
  });

  test('warns of a share that sticks to nothing', async () => {
    const { code, stderr } = await lane(['set', 'shop/gray', '--percent', '5']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^warning: each request is drawn at random.*--by, such as --by cookie:uid\n$/)]);
    expect((await lane(['set', 'shop/gray'])).stderr).toMatch(/nothing to set/);
    expect((await lane(['set', 'shop/gray', '--by', 'uid'])).stderr).toMatch(/Must be header:NAME/);
    expect((await lane(['set', 'shop/grey', '--percent', '5'])).stderr).toMatch(/did you mean gray/);
  });

  test.each([
    [['create', 'shop/gray'], 1, /lane shop\/gray already exists/],
    [['create', 'shp/blue'], 1, /there is no lane group shp.*shop/],
    [['create', 'shop'], 2, /GROUP\/LANE/i],
    [['create', 'shop/b l'], 2, /tag/],
    [['create', 'shop/blue', '--tag', 'b,c'], 2, /Must be/],
    [['create', 'shop/blue', '--percent', '120'], 2, /from 0 to 100/],
    [['create', 'shop/blue', '--sticky', 'clientIp'], 2, /--percent/],
    [['create', 'shop/blue', '--rule', '{"name":"x","match":{"hots":"a"}}'], 1, /hots/],
    [['create', 'shop/blue', '--rule', '{"name":"x","match":{"header":"a"},"percnt":5}'], 1, /percnt/],
    [['create', 'shop/blue', '--rule', 'nonsense'], 2, /not JSON/],
    [['enable', 'shop/blue'], 1, /there is no lane shop\/blue: there are gray/],
    [['delete', 'shop/blue'], 1, /there is no lane shop\/blue: there are gray/],
  ])('%j is refused with the remedy, and changes nothing', async (args, exit, message) => {
    const { code, stdout, stderr } = await lane(args);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([exit, '']);
    expect(await inForce()).toMatchObject([SHOP]);
  });
});

describe('lane status', () => {
  test('counts usable instances, and says which services fall back', async () => {
    await Promise.all([
      register('a', 1),
      register('a', 2, 'gray'),
      register('a', 3, 'gray'),
      register('b', 4),
      register('c', 5, 'gray'),
      register('c', 6, 'old'),
    ]);
    const heads = await done(['status']);
    expect(heads.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['shop', 'entry: edge'],
      ['SERVICE', 'BASE', 'gray', 'OTHER TAGS'],
      ['a', '1', '2'],
      ['b', '1', '0 → base'],
      ['c', 'none', '1', 'old: 1'],
    ]);
    await done(['disable', 'shop/gray']);
    expect(await done(['status', 'shop'])).toMatch(/gray \(disabled\)[^]*\na +1 +2 off/);
    expect(await asJson(['status'])).toMatchObject({
      groups: [{ group: 'shop', lanes: [{ lane: 'gray', enabled: false }], services: [{ service: 'a', base: { usable: 1, total: 1 } }, {}, {}] }],
    });
    expect(await lane(['status', 'nope'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no lane group nope/) as string });
  });
});

describe('lane explain', () => {
  beforeEach(() => Promise.all([register('a', 1), register('a', 2, 'gray'), register('b', 4)]));

  test('says by which rule a request enters, and hop by hop who serves it and why', async () => {
    const told = await done(['explain', 'http://www.example.com/a?x=1', '--via', 'a,b']);
    expect(told).toMatch(/^Entry edge\n {2}shop\/gray\/by-domain: matched\nIt is in the lane of tag gray\.$/m);
    expect(told).toMatch(/^a: the lane serves because/m);
    expect(told).toMatch(/192\.0\.2\.1:2 +gray +serves 100 %/);
    expect(told).toMatch(/192\.0\.2\.1:1 +base +base, not used/);
    expect(told).toMatch(/^b: base serves because no instance tagged gray can/m);
    expect(await done(['explain', '--host', 'www.example.com', '--path', '/a?x=1', '--via', 'a,b'])).toBe(told);
    expect(await done(['explain', 'www.example.com/a', '--via', 'a,b'])).toBe(told);
  });

  test('says whether a share is random or sticky', async () => {
    await done(['create', 'shop/blue', '--header', 'x=1', '--percent', '50']);
    const drawn = await done(['explain', '/', '--header', 'x=1', '--via', 'a']);
    expect(drawn).toMatch(/shop\/blue\/by-header-x: (matched|not in its share) this time \(50 %, at random\)/);
    expect(drawn).toMatch(
      /^This time it is in (no lane|the lane of tag blue): the share is drawn at random, and the next such request may go elsewhere\.$/m,
    );
    expect(await asJson(['explain', '/', '--header', 'x=1', '--via', 'a'])).toMatchObject({ byChance: true });
    await done(['set', 'shop/gray', '--percent', '50', '--by', 'cookie:uid']);
    expect(await done(['explain', '/', '--cookie', 'uid=ann', '--via', 'a'])).not.toContain('this time');
    expect(await asJson(['explain', '/', '--cookie', 'uid=ann', '--via', 'a'])).toMatchObject({ byChance: false });
  });

  test('says why no rule matches', async () => {
    const told = await done(['explain', 'http://elsewhere.example/', '--host', 'www.aliyundoc.com']);
    expect(told).toMatch(/no match, .*www\.example\.com.*: it is "www\.aliyundoc\.com"/);
    expect(told).toContain('It has no tag: base.');
    expect(told).toMatch(/^c: nothing serves because no base instance can$/m);
  });

  test('explains a request that already has a tag, and a lane that is switched off', async () => {
    expect(await done(['explain', '--from', 'a', '--tag', 'gray', '--via', 'b'])).toMatch(/it already has the tag gray/);
    await done(['disable', 'shop/gray']);
    expect(await done(['explain', 'www.example.com'])).toMatch(/skipped: the lane is disabled[^]*It has no tag/);
  });

  test('explains by the lane groups of a file, not published yet', async () => {
    const file = write(
      'next.yaml',
      'name: next\nservices: [b]\nentry: { services: [edge] }\nlanes:\n  - { name: gray, tag: gray, rules: [{ name: all, percent: 100 }] }\n',
    );
    expect(await done(['explain', '/', '--rules', file])).toMatch(/next\/gray\/all: matched[^]*\nb: base serves because no instance tagged gray can/);
    expect(await done(['status', '--rules', file])).toMatch(/^next {2}entry: edge\n.*\nb +1 +0 → base$/);
    expect(await done(['explain', '/'])).not.toContain('next');
  });

  test('the same as JSON', async () => {
    expect(await asJson(['explain', '/a', '--host', 'www.example.com'])).toMatchObject({
      tag: 'gray',
      source: 'rule',
      entry: { service: 'edge', trials: [{ rule: 'by-domain', outcome: 'matched' }] },
      hops: [
        { service: 'a', reason: 'in-lane' },
        { service: 'b', reason: 'fell-back-to-base' },
        { service: 'c', reason: 'none' },
      ],
    });
  });
});
