/** The API as pages and scripts use it: what is published, what is refused, and what is told. */
import http from 'node:http';
import { watchLaneGroups } from '@lane/storage';
import { listen } from '@lane/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ACCOUNTS, ALICE, start, type Started } from './testing/start.js';

const SERVICES = ['spring-cloud-a', 'spring-cloud-b'];
const SHOP = { services: SERVICES, entry: { services: ['lane-gateway'] } };
const GRAY = { tag: 'gray', enabled: true, fallback: 'base', rules: [{ name: 'by-domain', match: { host: { exact: 'www.example.com' } } }] };

async function withShop(): Promise<Started> {
  const started = await start();
  expect((await started.ask('PUT', '/api/groups/shop', SHOP)).status).toBe(200);
  expect((await started.ask('PUT', '/api/groups/shop/lanes/gray', GRAY)).status).toBe(200);
  return started;
}

const groupsOf = async ({ ask }: Started) => (await ask('GET', '/api/groups')).body;

describe('lane groups', () => {
  test('a change takes effect for everybody who watches', async () => {
    const started = await start();
    const seen: string[] = [];
    let came: () => void = () => {};
    const isThere = new Promise<void>((resolve) => (came = resolve));
    onTestFinished(
      watchLaneGroups(started.connection, {
        onRules: (rules) => {
          if (rules === undefined) return;
          seen.push(JSON.stringify(rules.document.groups.map(({ name, lanes }) => [name, lanes.map(({ tag }) => tag)])));
          if (rules.document.groups[0]?.lanes.length === 1) came();
        },
      }),
    );
    await started.ask('PUT', '/api/groups/shop', SHOP);
    await started.ask('PUT', '/api/groups/shop/lanes/gray', GRAY);
    await isThere;
    expect(seen.at(-1)).toBe('[["shop",["gray"]]]');
  });

  test('the matrix says how many are healthy, and what falls back', async () => {
    const started = await withShop();
    await started.register('spring-cloud-a', { ip: '10.0.0.1', port: 80 });
    await started.register('spring-cloud-a', { ip: '10.0.0.2', port: 80, metadata: { lane: 'gray' } });
    await started.register('spring-cloud-b', { ip: '10.0.0.3', port: 80 });
    await started.register('spring-cloud-b', { ip: '10.0.0.4', port: 80, metadata: { lane: 'blue' } });
    await expect
      .poll(async () => (await groupsOf(started)).groups[0].status.services)
      .toMatchObject([
        { service: 'spring-cloud-a', base: { usable: 1 }, lanes: [{ usable: 1, servedBy: 'lane' }] },
        { service: 'spring-cloud-b', base: { usable: 1 }, lanes: [{ usable: 0, servedBy: 'base' }], otherTags: [{ tag: 'blue', usable: 1 }] },
      ]);
    expect((await started.ask('GET', '/api/services')).body.services).toMatchObject([
      { name: 'spring-cloud-a', base: { usable: 1 }, tags: [{ tag: 'gray', usable: 1 }] },
      { name: 'spring-cloud-b', base: { usable: 1 }, tags: [{ tag: 'blue', usable: 1 }] },
    ]);
  });

  test('a share of all requests before a rule for certain ones is reported', async () => {
    const started = await withShop();
    expect((await groupsOf(started)).taking).toEqual([]);
    const share = { tag: 'blue', rules: [{ name: 'a-third', percent: 30 }] };
    await started.ask('PUT', '/api/groups/early', { ...SHOP, services: ['spring-cloud-c'] });
    await started.ask('PUT', '/api/groups/shop/lanes/gray', { ...GRAY, enabled: false });
    await started.ask('PUT', '/api/groups/shop/lanes/blue', share);
    await started.ask('PUT', '/api/groups/early/lanes/gray', GRAY);
    await started.ask('PUT', '/api/groups/shop/lanes/gray', GRAY);
    const { groups, taking } = await groupsOf(started);
    expect(groups.map(({ group }: { group: { name: string } }) => group.name)).toEqual(['shop', 'early']);
    expect(taking).toEqual([{ taker: 'shop/blue/a-third', robbed: 'early/gray/by-domain', service: 'lane-gateway', percent: 30 }]);
  });

  test('changing a group keeps its lanes; switching and deleting do what they say', async () => {
    const started = await withShop();
    await started.ask('PUT', '/api/groups/shop', { services: [...SERVICES, 'spring-cloud-c'] });
    expect((await groupsOf(started)).groups[0].group).toMatchObject({
      services: [...SERVICES, 'spring-cloud-c'],
      lanes: [{ name: 'gray', tag: 'gray' }],
    });
    await started.ask('PUT', '/api/groups/shop/lanes/gray/enabled', { enabled: false });
    expect((await groupsOf(started)).groups[0].group.lanes[0].enabled).toBe(false);
    expect((await started.ask('DELETE', '/api/groups/shop/lanes/gray')).status).toBe(200);
    expect((await started.ask('DELETE', '/api/groups/shop')).status).toBe(200);
    expect((await groupsOf(started)).groups).toEqual([]);
    expect(await started.ask('DELETE', '/api/groups/shop')).toMatchObject({ status: 404, body: { code: 'ELANE_NOT_FOUND' } });
  });

  test('problems have their place in the request, and nothing is published', async () => {
    const started = await withShop();
    const broken = {
      tag: 'gray lane',
      rules: [{ name: 'r', match: { all: [{ path: { regex: '(' } }, { clientIp: { in: ['10.0.0.0/99'] } }] }, percent: 101 }],
    };
    const { status, body } = await started.ask('PUT', '/api/groups/shop/lanes/blue', broken);
    expect(status).toBe(422);
    expect(body.problems.map(({ path }: { path: string }) => path)).toEqual([
      '/tag',
      '/rules/0/match/all/0/path/regex',
      '/rules/0/match/all/1/clientIp/in/0',
      '/rules/0/percent',
    ]);
    const tried = await started.ask('PUT', '/api/groups/shop/lanes/blue?dryRun=true', broken);
    expect([tried.status, tried.body.problems]).toEqual([200, body.problems]);
    // The other half of what must be unique is told where it was sent.
    expect((await started.ask('PUT', '/api/groups/shop/lanes/blue?dryRun=true', { tag: 'gray' })).body.problems).toMatchObject([{ path: '/tag' }]);
    expect((await groupsOf(started)).groups[0].group.lanes).toHaveLength(1);
  });

  test('a check changes nothing', async () => {
    const started = await withShop();
    const { md5 } = await groupsOf(started);
    expect((await started.ask('PUT', '/api/groups/shop/lanes/blue?dryRun=true', { tag: 'blue' })).body.problems).toEqual([]);
    expect((await groupsOf(started)).md5).toBe(md5);
  });
});

describe('somebody else was faster', () => {
  test('to the same lane: nothing is overwritten, and the answer has the current state', async () => {
    const started = await withShop();
    const before = (await groupsOf(started)).groups[0].laneEtags.gray;
    await started.ask('PUT', '/api/groups/shop/lanes/gray', { ...GRAY, fallback: 'none' });
    const refused = await started.ask('PUT', '/api/groups/shop/lanes/gray', { ...GRAY, enabled: false }, { 'if-match': before });
    expect(refused).toMatchObject({
      status: 412,
      body: { code: 'ELANE_CONFLICT', current: { name: 'gray', fallback: 'none', enabled: true }, changedBy: 'local' },
    });
    expect((await groupsOf(started)).groups[0].group.lanes[0]).toMatchObject({ fallback: 'none', enabled: true });
    // Having seen that, one may still.
    expect((await started.ask('PUT', '/api/groups/shop/lanes/gray', { ...GRAY, enabled: false }, { 'if-match': refused.body.etag })).status).toBe(
      200,
    );
  });

  test('to another lane: both changes are there', async () => {
    const started = await withShop();
    const before = (await groupsOf(started)).groups[0].laneEtags.gray;
    await started.ask('PUT', '/api/groups/shop/lanes/blue', { tag: 'blue' });
    expect((await started.ask('PUT', '/api/groups/shop/lanes/gray', { ...GRAY, fallback: 'none' }, { 'if-match': before })).status).toBe(200);
    expect((await groupsOf(started)).groups[0].group.lanes).toMatchObject([{ name: 'gray', fallback: 'none' }, { name: 'blue' }]);
  });

  test('at the very same time: none of twenty changes is lost', async () => {
    const started = await withShop();
    const names = Array.from({ length: 20 }, (_, i) => `lane-${i}`);
    const statuses = await Promise.all(names.map(async (name) => (await started.ask('PUT', `/api/groups/shop/lanes/${name}`, { tag: name })).status));
    expect(statuses).toEqual(names.map(() => 200));
    expect((await groupsOf(started)).groups[0].group.lanes.map(({ name }: { name: string }) => name).sort()).toEqual(['gray', ...names].sort());
  });

  test('with a lane of that name: a new one does not replace it', async () => {
    const started = await withShop();
    expect(await started.ask('PUT', '/api/groups/shop/lanes/gray', { tag: 'other' }, { 'if-none-match': '*' })).toMatchObject({
      status: 409,
      body: { code: 'ELANE_EXISTS', problems: [{ path: '/name' }] },
    });
  });

  test('with the whole document: its md5 is compared', async () => {
    const started = await withShop();
    const { md5, text } = await groupsOf(started);
    await started.ask('PUT', '/api/groups/shop/lanes/blue', { tag: 'blue' });
    const mine = text.replace('"base"', '"none"');
    const refused = await started.ask('PUT', '/api/document', { text: mine }, { 'if-match': `"${md5}"` });
    expect(refused).toMatchObject({ status: 412, body: { code: 'ELANE_CONFLICT', changedBy: 'local' } });
    expect(refused.body.current.text).toContain('"blue"');
    expect((await started.ask('PUT', '/api/document', { text: mine }, { 'if-match': refused.body.etag })).status).toBe(200);
    expect((await started.ask('PUT', '/api/document', { text: mine })).status).toBe(400);
  });
});

describe('a document that somebody broke', () => {
  test('is reported, is never the base of a change, and can be repaired as a whole', async () => {
    const started = await start();
    await started.connection.publish('lane-groups', 'LANE', '{"version": 1, "groups": [{}]}');
    const { problems, groups, md5 } = await groupsOf(started);
    expect(groups).toEqual([]);
    expect(problems.length).toBeGreaterThan(0);
    expect((await started.ask('PUT', '/api/groups/shop', SHOP)).status).toBe(422);
    expect((await started.ask('PUT', '/api/document', { text: '{"version": 1, "groups": []}' }, { 'if-match': `"${md5}"` })).status).toBe(200);
    expect((await groupsOf(started)).problems).toEqual([]);
  });
});

describe('history', () => {
  test('says who changed what, shows each change, and rolls back', async () => {
    const started = await start({ accounts: ACCOUNTS });
    const alice = { authorization: `Bearer ${ALICE}` };
    await started.ask('PUT', '/api/groups/shop', SHOP, alice);
    await started.ask('PUT', '/api/groups/shop/lanes/gray', GRAY, alice);
    await started.ask('DELETE', '/api/groups/shop', undefined, alice);
    const { versions } = (await started.ask('GET', '/api/history', undefined, alice)).body;
    expect(versions).toMatchObject([
      { who: 'alice', action: 'group-deleted', target: 'shop', isCurrent: true },
      { who: 'alice', action: 'lane-created', target: 'shop/gray', isCurrent: false },
      { who: 'alice', action: 'group-created', target: 'shop', isCurrent: false },
    ]);
    const change = (await started.ask('GET', `/api/history/${versions[1].version}`, undefined, alice)).body;
    expect(change.before).not.toContain('gray');
    expect(change.text).toContain('gray');
    expect((await started.ask('POST', `/api/history/${versions[1].version}/rollback`, undefined, alice)).status).toBe(200);
    const { groups } = (await started.ask('GET', '/api/groups', undefined, alice)).body;
    expect(groups[0].group.lanes).toMatchObject([{ name: 'gray' }]);
    expect((await started.ask('GET', '/api/history', undefined, alice)).body.versions[0]).toMatchObject({
      who: 'alice',
      action: 'rolled-back',
      isCurrent: true,
    });
  });
});

describe('explanations', () => {
  test('say which rule, which lane, and which instances', async () => {
    const started = await withShop();
    await started.register('spring-cloud-a', { ip: '10.0.0.2', port: 80, metadata: { lane: 'gray' } });
    await started.register('spring-cloud-b', { ip: '10.0.0.3', port: 80 });
    await expect.poll(async () => (await started.ask('GET', '/api/services')).body.services.length).toBe(2);
    const gray = await started.ask('POST', '/api/explanations', { group: 'shop', host: 'www.example.com', path: '/a?x=1' });
    expect(gray.body).toMatchObject({
      entry: { match: { lane: 'gray', rule: 'by-domain' } },
      tag: 'gray',
      hops: [
        { service: 'spring-cloud-a', reason: 'in-lane', instances: [{ role: 'serves', share: 1 }] },
        { service: 'spring-cloud-b', reason: 'fell-back-to-base', instances: [{ role: 'serves' }] },
      ],
    });
    const base = await started.ask('POST', '/api/explanations', { group: 'shop', host: 'www.aliyundoc.com' });
    expect(base.body).toMatchObject({ entry: { trials: [{ outcome: 'no-match', failed: [{ actual: 'www.aliyundoc.com' }] }] } });
    expect(base.body.tag).toBeUndefined();
    await started.ask('PUT', '/api/groups/shop/lanes/gray/enabled', { enabled: false });
    expect((await started.ask('POST', '/api/explanations', { group: 'shop', tag: 'gray' })).body).toMatchObject({
      isDisabled: true,
      hops: [{ reason: 'none' }, { reason: 'base' }],
    });
  });
});

test('explanations of a request and of a graph node show instances that agents leave alone', async () => {
  const started = await withShop();
  const instance = (port: number, changes: object): object => ({
    ...{ address: `10.0.0.3:${port}`, tag: null, usable: true, source: 'registry', listedSecondsAgo: 3, doubt: null, doubtedSeconds: null },
    ...{ leftAloneSeconds: null, ejectedSeconds: null, ...changes },
  });
  const instances = [instance(80, { ejectedSeconds: 12 }), instance(81, { leftAloneSeconds: 3 }), instance(82, {})];
  const server = http.createServer((_, response) =>
    response.end(JSON.stringify({ services: [{ service: 'spring-cloud-b', group: 'DEFAULT_GROUP', instances, omitted: 0 }] })),
  );
  onTestFinished(() => void server.close());
  const admin = `127.0.0.1:${await listen(server)}`;
  await started.register('spring-cloud-a', { ip: '127.0.0.1', port: 80, metadata: { 'lane.admin': admin } });
  for (const port of [80, 81, 82]) await started.register('spring-cloud-b', { ip: '10.0.0.3', port });
  const word = { agents: 1, ejectedBy: 0, leftAloneBy: 0, doubtedBy: 0 };
  const agents = [
    { ...word, address: '10.0.0.3:80', ejectedBy: 1 },
    { ...word, address: '10.0.0.3:81', leftAloneBy: 1 },
  ];
  const explain = async (): Promise<unknown> => (await started.ask('POST', '/api/explanations', { group: 'shop' })).body.hops?.[1]?.agents;
  await expect.poll(explain).toEqual(agents);
  expect((await started.ask('GET', '/api/services/spring-cloud-b/hop')).body.hop).toMatchObject({ agents });
});

/** An instance's own figures, as an agent serves them. */
async function startAgent(figures: () => { traffic: unknown; decisions: unknown }): Promise<number> {
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url === '/traffic' ? figures().traffic : figures().decisions));
  });
  onTestFinished(() => void server.close());
  return listen(server);
}

describe('traffic', () => {
  test('figures of all instances are added up, by who calls whom in which lane', async () => {
    const started = await start();
    const traffic = (count: number) => ({
      since: '2026-01-01T00:00:00Z',
      requests: [{ tag: 'gray', source: 'rule', count, errors: 0 }],
      calls: [
        { peer: 'spring-cloud-b', tag: 'gray', route: 'fallback', count, errors: 1 },
        { peer: 'spring-cloud-c', tag: 'gray', route: 'lane', count, errors: 0 },
        // Sent to another instance than the app had addressed; whether that is one of the lane, the registry tells.
        { peer: 'spring-cloud-a', tag: 'gray', route: 'corrected', count, errors: 0 },
        { peer: 'spring-cloud-b', tag: 'gray', route: 'corrected', count, errors: 0 },
        { peer: '(external)', tag: null, route: 'outside', count, errors: 0 },
      ],
    });
    const decisions = [{ at: '2026-01-01T00:00:01Z', peer: 'spring-cloud-b', tag: 'gray', outcome: 'fallback', instance: '10.0.0.3:80' }];
    for (const [i, count] of [3, 4].entries()) {
      const admin = await startAgent(() => ({ traffic: traffic(count), decisions }));
      await started.register('spring-cloud-a', { ip: '127.0.0.1', port: 9_000 + i, metadata: { lane: 'gray', 'lane.admin': `127.0.0.1:${admin}` } });
    }
    await started.register('spring-cloud-b', { ip: '127.0.0.1', port: 9_100 });
    await expect.poll(async () => (await started.ask('GET', '/api/traffic')).body.sources).toMatchObject({ answered: 2, silent: 1 });
    const { body } = await started.ask('GET', '/api/traffic');
    expect(body.edges).toMatchObject([
      { from: { service: 'spring-cloud-a', tag: 'gray' }, to: { service: 'spring-cloud-b' }, tag: 'gray', route: 'fallback', count: 7, errors: 2 },
      { from: { service: 'spring-cloud-a', tag: 'gray' }, to: { service: 'spring-cloud-c', tag: 'gray' }, tag: 'gray', route: 'lane', count: 7 },
      { to: { service: 'spring-cloud-a', tag: 'gray' }, tag: 'gray', route: 'corrected', count: 7 },
      { to: { service: 'spring-cloud-b' }, tag: 'gray', route: 'corrected', count: 7 },
    ]);
    expect([body.edges[0].to.tag, body.edges[3].to.tag]).toEqual([undefined, undefined]);
    expect(body.decisions[0]).toMatchObject({ service: 'spring-cloud-a', serviceTag: 'gray', peer: 'spring-cloud-b', outcome: 'fallback' });
  });

  test('asks only the host that the registry lists, and reports one that does not answer', async () => {
    const started = await start();
    let asked = 0;
    const elsewhere = await startAgent(() => {
      asked++;
      return { traffic: { requests: [], calls: [] }, decisions: [] };
    });
    await started.register('far', { ip: '10.0.0.1', port: 80, metadata: { 'lane.admin': `127.0.0.1:${elsewhere}` } });
    await started.register('path', { ip: '127.0.0.1', port: 81, metadata: { 'lane.admin': `127.0.0.1:${elsewhere}/x?` } });
    await started.register('down', { ip: '127.0.0.1', port: 82, metadata: { 'lane.admin': '127.0.0.1:1' } });
    await expect
      .poll(async () => (await started.ask('GET', '/api/traffic')).body.sources)
      .toMatchObject({ asked: 1, answered: 0, silent: 2, problems: [{ service: 'down' }] });
    expect(asked).toBe(0);
  });
});

describe('the description', () => {
  test('is valid OpenAPI 3.1, and has every route', async () => {
    const { ask } = await start();
    const { body } = await ask('GET', '/api/openapi.json');
    const { Validator } = await import('@seriousme/openapi-schema-validator');
    expect(await new Validator().validate(body)).toEqual({ valid: true });
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths).sort()).toEqual([
      '/api/audit',
      '/api/document',
      '/api/explanations',
      '/api/groups',
      '/api/groups/{group}',
      '/api/groups/{group}/lanes/{lane}',
      '/api/groups/{group}/lanes/{lane}/enabled',
      '/api/history',
      '/api/history/{version}',
      '/api/history/{version}/rollback',
      '/api/services',
      '/api/services/{service}/hop',
      '/api/session',
      '/api/traffic',
    ]);
  });

  test('a request that it does not describe is rejected with the problem', async () => {
    const { ask } = await start();
    expect(await ask('PUT', '/api/groups/shop/lanes/gray/enabled', { enabled: 'perhaps' })).toMatchObject({
      status: 400,
      body: { code: 'ELANE_BAD_REQUEST' },
    });
    expect(await ask('GET', '/api/nothing')).toMatchObject({ status: 404, body: { code: 'ELANE_NOT_FOUND' } });
  });
});
