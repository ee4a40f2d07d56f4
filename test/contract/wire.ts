import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '@lane/testing/eventually';
import { type NacosServer, type RunningNacos } from '../servers/index.js';
import { connectionTo, uniqueName } from './driver.js';
import { type Answer, HttpApi } from './http-api.js';
import { shortBeats, startTimeoutMs } from './suite.js';

interface Host {
  ip: string;
  port: number;
  healthy: boolean;
  metadata: Record<string, string>;
}

/** What HTTP v1 answers: byte by byte where clients depend on it; where servers word an error differently, the common part. */
export function describeNacosWire(server: NacosServer): void {
  describe.concurrent(`${server.name} over HTTP v1`, { timeout: 60_000 }, () => {
    let running: RunningNacos;
    let api: HttpApi;

    beforeAll(async () => {
      running = await server.start();
      api = new HttpApi(connectionTo(running, uniqueName('wire')));
    }, startTimeoutMs);

    afterAll(() => running?.stop());

    test('the metrics of a serving server say UP', async () => {
      const answer = await api.request('GET', '/ns/operator/metrics');
      expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
      expect(JSON.parse(answer.body)).toMatchObject({ status: 'UP' });
    });

    describe.concurrent('registration', () => {
      test.for(['query', 'form'] as const)('parameters in the %s register an instance; the answer is ok', async (place) => {
        const serviceName = uniqueName('service');
        const answer = await api.naming('POST', '/instance', { [place]: { ...instance, serviceName, namespaceId: namespace() } });

        expect(answer).toMatchObject({ status: 200, contentType: 'text/plain', body: 'ok' });
        await hosts(serviceName, (found) => expect(found).toHaveLength(1));
      });

      test.for([
        ['{"lane":"gray"}', { lane: 'gray' }],
        ['lane=gray,zone=a', { lane: 'gray', zone: 'a' }],
      ] as const)('metadata may be written %s', async ([metadata, expected]) => {
        const serviceName = uniqueName('service');
        await register(serviceName, { metadata });

        await hosts(serviceName, (found) => expect(found[0]?.metadata).toEqual(expected));
      });

      test('an instance is listed with all its fields', async () => {
        const serviceName = uniqueName('service');
        const metadata = JSON.stringify({ lane: 'gray', ...shortBeats });
        await register(serviceName, { weight: 2.5, clusterName: 'c-1', metadata });

        await hosts(serviceName, (found) => {
          expect(found).toEqual([
            expect.objectContaining({
              instanceId: `10.0.0.1#8080#c-1#DEFAULT_GROUP@@${serviceName}`,
              ip: '10.0.0.1',
              port: 8080,
              weight: 2.5,
              healthy: true,
              enabled: true,
              ephemeral: true,
              clusterName: 'c-1',
              serviceName: `DEFAULT_GROUP@@${serviceName}`,
              metadata: JSON.parse(metadata),
              instanceHeartBeatInterval: 1000,
              instanceHeartBeatTimeOut: 3000,
              ipDeleteTimeout: 9000,
            }),
          ]);
        });
      });

      test('without preserved metadata, heartbeats are due every 5 s; an instance is unhealthy after 15 s and removed after 30 s', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName);

        await hosts(serviceName, (found) =>
          expect(found).toMatchObject([{ instanceHeartBeatInterval: 5000, instanceHeartBeatTimeOut: 15_000, ipDeleteTimeout: 30_000 }]),
        );
      });

      test('a weight of 0 is kept', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { weight: 0 });

        await hosts(serviceName, (found) => expect(found).toMatchObject([{ weight: 0 }]));
      });

      test('an address is one instance of a service: registered in another cluster, it replaces the previous one', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { clusterName: 'A' });
        await hosts(serviceName, (found) => expect(found).toMatchObject([{ clusterName: 'A' }]));
        await register(serviceName, { clusterName: 'B' });

        await hosts(serviceName, (found) => expect(found).toMatchObject([{ clusterName: 'B' }]));
      });

      test.for([
        ['no serviceName', { serviceName: '' }, "Param 'serviceName' is required."],
        ['no ip', { ip: '' }, "Param 'ip' is required."],
        ['no port', { port: '' }, "Param 'port' is required."],
        ['a port that is no number', { port: 'abc' }, 'For input string: "abc"'],
        ['a weight that is no number', { weight: 'abc' }, 'For input string: "abc"'],
        ['a negative weight', { weight: -1 }, 'The weights range from 0.0 to 10000.0'],
        ['too much weight', { weight: 10_001 }, 'The weights range from 0.0 to 10000.0'],
        ['metadata in no known form', { metadata: 'gray' }, 'metadata format incorrect:gray'],
        ['a cluster name with a blank', { clusterName: 'a b' }, "Instance 'clusterName' should be characters with only 0-9a-zA-Z-."],
        [
          'a beat timeout below the beat interval',
          { metadata: '{"preserved.heart.beat.timeout":"3000"}' },
          "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.",
        ],
      ] as const)('%s is refused', async ([, fault, message]) => {
        const answer = await api.naming('POST', '/instance', { query: { ...instance, serviceName: uniqueName('service'), ...fault } });
        expectRefused(answer, message);
      });

      test.for(['@@service', 'GROUP@@'])('the service name %s, with one half missing, is rejected', async (serviceName) => {
        expect((await api.naming('POST', '/instance', { query: { ...instance, serviceName } })).status).toBe(400);
      });

      test.for(['enabled', 'enable'])('an instance registered with %s=false is not listed', async (parameter) => {
        const serviceName = uniqueName('service');
        await register(serviceName, { [parameter]: false });
        await register(serviceName, { ip: '10.0.0.2' });

        await hosts(serviceName, (found) => expect(found).toMatchObject([{ ip: '10.0.0.2' }]));
      });

      test('a persistent instance is listed as such, and can only be deregistered as such', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { ephemeral: false });
        await hosts(serviceName, (found) => expect(found).toMatchObject([{ ip: '10.0.0.1', ephemeral: false }]));

        expect((await api.naming('DELETE', '/instance', { query: { ...instance, serviceName } })).body).toBe('ok');
        // Seeing a later change shows that this one has been processed.
        await register(serviceName, { ip: '10.0.0.2', ephemeral: false });
        await hosts(serviceName, (found) => expect(found).toHaveLength(2));

        for (const ip of ['10.0.0.1', '10.0.0.2']) {
          await api.naming('DELETE', '/instance', { query: { ...instance, ip, serviceName, ephemeral: false } });
        }
        await hosts(serviceName, (found) => expect(found).toEqual([]));
      });

      test('a service of ephemeral instances rejects a persistent one', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName);
        await hosts(serviceName, (found) => expect(found).toHaveLength(1));

        const answer = await api.naming('POST', '/instance', { query: { ...instance, serviceName, ip: '10.0.0.2', ephemeral: false } });
        expect(answer).toMatchObject({ status: 500, contentType: 'text/plain' });
        expect(answer.body).toContain(`Current service DEFAULT_GROUP@@${serviceName} is ephemeral service, can't register persistent instance.`);
      });

      test('a single instance can be queried', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { metadata: '{"lane":"gray"}' });
        await hosts(serviceName, (found) => expect(found).toHaveLength(1));

        const found = await api.naming('GET', '/instance', { query: { serviceName, ip: '10.0.0.1', port: 8080 } });
        expect(found).toMatchObject({ status: 200, contentType: 'application/json' });
        expect(JSON.parse(found.body)).toEqual({
          service: `DEFAULT_GROUP@@${serviceName}`,
          ip: '10.0.0.1',
          port: 8080,
          clusterName: 'DEFAULT',
          weight: 1,
          healthy: true,
          instanceId: `10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@${serviceName}`,
          metadata: { lane: 'gray' },
        });

        for (const other of [{ ip: '10.0.0.9' }, { port: 8081 }, { clusterName: 'OTHER' }]) {
          const unknown = await api.naming('GET', '/instance', { query: { ...instance, serviceName, ...other } });
          expect(unknown).toMatchObject({ status: 404, contentType: 'text/plain' });
        }
      });

      test('metadata set by PUT is listed, and survives registrations and restarts of that instance', async () => {
        const serviceName = uniqueName('service');
        // A second instance, registered after a change, shows that the change has been processed.
        const seen = async (ip: string, expected: object): Promise<void> => {
          await register(serviceName, { ip });
          await hosts(serviceName, (found) => {
            expect(found.some((one) => one.ip === ip)).toBe(true);
            expect(found.find((one) => one.ip === '10.0.0.1')).toMatchObject(expected);
          });
        };
        const blue = { weight: 7, metadata: { lane: 'blue' } };
        await register(serviceName, { metadata: '{"lane":"gray"}' });
        await seen('10.0.0.2', { weight: 1, metadata: { lane: 'gray' } });

        const answer = await api.naming('PUT', '/instance', {
          query: { ...instance, serviceName, metadata: '{"lane":"blue"}', weight: 7, ephemeral: true },
        });
        expect(answer).toMatchObject({ status: 200, contentType: 'text/plain', body: 'ok' });
        await hosts(serviceName, (found) => expect(found.find((one) => one.ip === '10.0.0.1')).toMatchObject(blue));

        await register(serviceName, { metadata: '{"lane":"green"}' });
        await seen('10.0.0.3', blue);

        await api.naming('DELETE', '/instance', { query: { ...instance, serviceName } });
        await hosts(serviceName, (found) => expect(found.some((one) => one.ip === '10.0.0.1')).toBe(false));
        await register(serviceName, { metadata: '{"lane":"green"}' });
        await seen('10.0.0.4', blue);
      });

      test('metadata may be set by PUT before the instance exists', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { ip: '10.0.0.2' });
        await hosts(serviceName, (found) => expect(found).toHaveLength(1));

        const answer = await api.naming('PUT', '/instance', { query: { ...instance, serviceName, metadata: '{"lane":"blue"}' } });
        expect(answer).toMatchObject({ status: 200, body: 'ok' });

        await register(serviceName, { metadata: '{"lane":"green"}' });
        await hosts(serviceName, (found) => expect(found.find((one) => one.ip === '10.0.0.1')?.metadata).toEqual({ lane: 'blue' }));
      });

      test('deregistering answers ok, whether or not the instance exists', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName);
        await hosts(serviceName, (found) => expect(found).toHaveLength(1));

        for (let count = 0; count < 2; count += 1) {
          const answer = await api.naming('DELETE', '/instance', { query: { ...instance, serviceName } });
          expect(answer).toMatchObject({ status: 200, contentType: 'text/plain', body: 'ok' });
        }
        await hosts(serviceName, (found) => expect(found).toEqual([]));
        expectRefused(await api.naming('DELETE', '/instance', { query: { serviceName } }), "Param 'ip' is required.");
      });
    });

    describe.concurrent('instance list', () => {
      test('an unknown service is an empty list', async () => {
        const serviceName = uniqueName('service');
        const answer = await api.naming('GET', '/instance/list', { query: { serviceName } });

        expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
        expect(JSON.parse(answer.body)).toEqual({
          name: `DEFAULT_GROUP@@${serviceName}`,
          groupName: 'DEFAULT_GROUP',
          clusters: '',
          cacheMillis: 10_000,
          hosts: [],
          lastRefTime: expect.any(Number),
          checksum: '',
          allIPs: false,
          reachProtectionThreshold: false,
          valid: true,
        });
      });

      test('the group may be part of the service name or separate, and the clusters are echoed', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { groupName: 'G-1' });

        for (const query of [{ serviceName: `G-1@@${serviceName}` }, { serviceName, groupName: 'G-1' }]) {
          await eventually(async () => {
            const answer = await api.naming('GET', '/instance/list', { query: { ...query, clusters: 'DEFAULT,OTHER' } });
            expect(JSON.parse(answer.body)).toMatchObject({
              name: `G-1@@${serviceName}`,
              groupName: 'G-1',
              clusters: 'DEFAULT,OTHER',
              hosts: [{ ip: '10.0.0.1', serviceName: `G-1@@${serviceName}` }],
            });
          });
        }
      });

      test('healthyOnly omits unhealthy instances', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName);
        await register(serviceName, { ip: '10.0.0.2', healthy: false });
        await hosts(serviceName, (found) => expect(found).toHaveLength(2));

        const answer = await api.naming('GET', '/instance/list', { query: { serviceName, healthyOnly: true } });
        expect(JSON.parse(answer.body)).toMatchObject({ hosts: [{ ip: '10.0.0.1' }] });
      });

      test('a missing serviceName is rejected', async () => {
        expectRefused(await api.naming('GET', '/instance/list'), "Param 'serviceName' is required.");
      });

      // The user's own server may not be able to reach this socket.
      test.skipIf(server.kind === 'given')('a change is pushed over UDP to clients that gave a port', async () => {
        const serviceName = uniqueName('service');
        const socket = createSocket('udp4').bind(0, '127.0.0.1');
        await once(socket, 'listening');
        try {
          const subscribe = (): Promise<Answer> =>
            api.naming('GET', '/instance/list', {
              headers: { 'User-Agent': 'Nacos-Java-Client:v1.0.0' },
              query: { serviceName, clusters: 'DEFAULT', udpPort: (socket.address() as AddressInfo).port, clientIP: '127.0.0.1' },
            });
          await subscribe();
          await register(serviceName, { metadata: '{"lane":"gray"}' });

          const push = await nextPush(socket, serviceName);
          expect(push).toMatchObject({ type: 'dom', lastRefTime: expect.any(Number) });
          expect(push.service).toMatchObject({
            name: `DEFAULT_GROUP@@${serviceName}`,
            clusters: 'DEFAULT',
            hosts: [{ ip: '10.0.0.1', port: 8080, metadata: { lane: 'gray' } }],
          });

          // Over 1 KB, so compressed.
          await register(serviceName, { metadata: JSON.stringify({ lane: 'blue', note: 'x'.repeat(2000) }) });
          const second = await nextPush(socket, serviceName, (service) => service.hosts[0]?.metadata['lane'] === 'blue');
          expect(second.packed).toBe(true);
        } finally {
          socket.close();
        }
      });
    });

    describe.concurrent('beats', () => {
      test('a heartbeat keeps an instance; without heartbeats it becomes unhealthy, then is removed', async () => {
        const serviceName = uniqueName('service');
        const metadata = JSON.stringify(shortBeats);
        await register(serviceName, { metadata });
        await register(serviceName, { ip: '10.0.0.2', metadata });
        const beating = setInterval(() => void beat(serviceName, { ip: '10.0.0.1' }).catch(() => {}), 500);
        try {
          await hosts(serviceName, (found) => expect(healthOf(found)).toEqual({ '10.0.0.1': true, '10.0.0.2': false }));
          await hosts(serviceName, (found) => expect(healthOf(found)).toEqual({ '10.0.0.1': true }));
        } finally {
          clearInterval(beating);
        }
      });

      test('a beat makes an unhealthy instance healthy again', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName, { metadata: JSON.stringify({ ...shortBeats, 'preserved.ip.delete.timeout': '60000' }) });
        await hosts(serviceName, (found) => expect(found).toMatchObject([{ healthy: false }]));

        await beat(serviceName);

        await hosts(serviceName, (found) => expect(found).toMatchObject([{ healthy: true }]));
      });

      test('the answer to a heartbeat of a known instance gives its requested interval', async () => {
        const serviceName = uniqueName('service');
        await register(serviceName);
        await register(serviceName, { ip: '10.0.0.2', metadata: JSON.stringify(shortBeats) });
        await hosts(serviceName, (found) => expect(found).toHaveLength(2));

        const answer = await beat(serviceName);
        expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
        expect(JSON.parse(answer.body)).toEqual({ clientBeatInterval: 5000, code: 10200, lightBeatEnabled: true });
        expect(JSON.parse((await beat(serviceName, { ip: '10.0.0.2' })).body)).toMatchObject({ clientBeatInterval: 1000 });
      });

      test('a full beat of an unknown instance creates it, as after a restart of the server', async () => {
        const serviceName = uniqueName('service');
        const full = {
          serviceName: `DEFAULT_GROUP@@${serviceName}`,
          ...{ ip: '10.0.0.1', port: 8080, cluster: 'c-1', weight: 2, scheduled: false },
          metadata: { lane: 'gray' },
        };
        const answer = await api.naming('PUT', '/instance/beat', {
          query: { serviceName: full.serviceName, beat: JSON.stringify(full) },
        });

        expect(answer.status).toBe(200);
        expect(JSON.parse(answer.body)).toMatchObject({ code: 10200 });
        await hosts(serviceName, (found) =>
          expect(found).toMatchObject([
            { ip: '10.0.0.1', port: 8080, clusterName: 'c-1', weight: 2, healthy: true, ephemeral: true, metadata: { lane: 'gray' } },
          ]),
        );
      });

      test('the answer to a light beat of an unknown instance says that there is none', async () => {
        const answer = await beat(uniqueName('service'));

        expect(answer.status).toBe(200);
        expect(JSON.parse(answer.body)).toEqual({ clientBeatInterval: 5000, code: 20404, lightBeatEnabled: true });
      });

      test('a beat without serviceName is rejected, one with broken JSON is an error', async () => {
        expectRefused(await api.naming('PUT', '/instance/beat'), "Param 'serviceName' is required.");
        const broken = await api.naming('PUT', '/instance/beat', { query: { serviceName: uniqueName('service'), beat: '{' } });
        expect(broken.status).toBe(500);
      });
    });

    describe.concurrent('service list', () => {
      test('services are counted and listed page by page, each group separately', async () => {
        const namespaceId = uniqueName('services');
        const names = ['a', 'b', 'c'].map(uniqueName);
        for (const serviceName of names) await register(serviceName, { namespaceId });
        await register('elsewhere', { namespaceId, groupName: 'OTHER' });

        const page = async (pageNo: number, pageSize: number, more = {}): Promise<{ count: number; doms: string[] }> => {
          const answer = await api.naming('GET', '/service/list', { query: { namespaceId, pageNo, pageSize, ...more } });
          expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
          return JSON.parse(answer.body) as { count: number; doms: string[] };
        };
        await eventually(async () => expect((await page(1, 10)).count).toBe(3));
        expect((await page(1, 10)).doms.sort()).toEqual(names.toSorted());
        const [first, second] = [await page(1, 2), await page(2, 2)];
        expect([first.count, second.count]).toEqual([3, 3]);
        expect([...first.doms, ...second.doms].sort()).toEqual(names.toSorted());
        expect(first.doms).toHaveLength(2);
        expect(await page(1, 10, { groupName: 'OTHER' })).toEqual({ count: 1, doms: ['elsewhere'] });
        expect(await page(1, 10, { namespaceId: uniqueName('empty') })).toEqual({ count: 0, doms: [] });
      });

      test('a service whose last instance has left still exists', async () => {
        const namespaceId = uniqueName('services');
        await register('left', { namespaceId });
        await eventually(async () => expect((await listed()).doms).toEqual(['left']));
        await api.naming('DELETE', '/instance', { query: { ...instance, serviceName: 'left', namespaceId } });
        await eventually(async () => {
          const answer = await api.naming('GET', '/instance/list', { query: { serviceName: 'left', namespaceId } });
          expect(JSON.parse(answer.body)).toMatchObject({ hosts: [] });
        });

        expect(await listed()).toEqual({ count: 1, doms: ['left'] });

        async function listed(): Promise<{ count: number; doms: string[] }> {
          const answer = await api.naming('GET', '/service/list', { query: { namespaceId, pageNo: 1, pageSize: 10 } });
          return JSON.parse(answer.body) as { count: number; doms: string[] };
        }
      });

      test('a missing page number is rejected', async () => {
        expectRefused(await api.naming('GET', '/service/list', { query: { pageSize: 10 } }), "Param 'pageNo' is required.");
      });
    });

    describe.concurrent('config', () => {
      test('a config is served with its type and the MD5 of its content', async () => {
        const dataId = uniqueName('config');
        const content = '{"灰度":true}';
        await publish(dataId, content, { type: 'json' });

        const read = await readUntil(dataId, content);
        expect(read).toMatchObject({ status: 200, contentType: 'application/json' });
        expect(read.headers.get('content-md5')).toBe(md5(content));
        expect(read.headers.get('config-type')).toBe('json');
      });

      test.for([
        ['no type', {}, 'text', 'text/plain'],
        ['an unknown type', { type: 'bogus' }, 'text', 'text/plain'],
        ['the type yaml', { type: 'yaml' }, 'yaml', 'text/plain'],
        ['the type xml', { type: 'xml' }, 'xml', 'application/xml'],
      ] as const)('a config published with %s', async ([, more, type, contentType]) => {
        const dataId = uniqueName('config');
        await publish(dataId, 'one', more);

        const read = await readUntil(dataId, 'one');
        expect(read.contentType).toBe(contentType);
        expect(read.headers.get('config-type')).toBe(type);
      });

      test('a missing config is a 404', async () => {
        const answer = await api.config('GET', '/configs', { query: { dataId: uniqueName('config'), group: 'LANE' } });
        expect(answer).toMatchObject({ status: 404, contentType: 'application/json', body: 'config data not exist\n' });
      });

      test('removing answers true, whether or not the config exists', async () => {
        const dataId = uniqueName('config');
        await publish(dataId, 'one');
        await readUntil(dataId, 'one');

        for (let count = 0; count < 2; count += 1) {
          const answer = await api.config('DELETE', '/configs', { query: { dataId, group: 'LANE' } });
          expect(answer).toMatchObject({ status: 200, contentType: 'application/json', body: 'true' });
        }
        await eventually(async () => expect((await api.config('GET', '/configs', { query: { dataId, group: 'LANE' } })).status).toBe(404));
      });

      test.for([
        ['GET', {}, "Parameter 'dataId' is missing"],
        ['GET', { dataId: 'd' }, "Parameter 'group' is missing"],
        ['POST', {}, "Parameter 'dataId' is missing"],
        ['POST', { dataId: 'd', group: 'g' }, "Parameter 'content' is missing"],
        ['POST', { dataId: 'd', group: 'g', content: '' }, 'content is blank : '],
        ['POST', { dataId: 'd /', group: 'g', content: 'c' }, 'invalid dataId : d /'],
        ['DELETE', { dataId: 'd' }, "Parameter 'group' is missing"],
      ] as const)('%s with %o is refused', async ([method, query, message]) => {
        expectRefused(await api.config(method, '/configs', { query }), message);
      });

      // gRPC has compare-and-set, and so has HTTP from 2.3 on, by a header (https://github.com/alibaba/nacos/pull/11120), never by the form.
      test.for(['right', 'conflicting'])('a %s casMd5 in the form is ignored', async (kind) => {
        const dataId = uniqueName('config');
        await publish(dataId, 'one');
        await readUntil(dataId, 'one');

        await publish(dataId, 'two', { casMd5: kind === 'right' ? md5('one') : md5('another') });

        await readUntil(dataId, 'two');
      });

      test('configs are found by exact and by partial name', async () => {
        const prefix = uniqueName('config');
        for (const name of ['a', 'b']) await publish(`${prefix}-${name}`, name);
        await readUntil(`${prefix}-b`, 'b');

        const search = async (how: string, dataId: string): Promise<unknown> => {
          const query = { search: how, dataId, group: '', pageNo: 1, pageSize: 10 };
          const answer = await api.config('GET', '/configs', { query });
          expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
          return JSON.parse(answer.body);
        };
        expect(await search('accurate', `${prefix}-a`)).toMatchObject({
          totalCount: 1,
          pageNumber: 1,
          pagesAvailable: 1,
          pageItems: [{ dataId: `${prefix}-a`, group: 'LANE', content: 'a', tenant: namespace() }],
        });
        expect(await search('blur', `${prefix}*`)).toMatchObject({ totalCount: 2 });
      });

      test('the history of a config lists each change, the latest first', async () => {
        const dataId = uniqueName('config');
        await publish(dataId, 'one');
        await readUntil(dataId, 'one');
        await publish(dataId, 'two');
        await readUntil(dataId, 'two');
        await api.config('DELETE', '/configs', { query: { dataId, group: 'LANE' } });

        let pageItems: { id: string }[] = [];
        await eventually(async () => {
          const query = { search: 'accurate', dataId, group: 'LANE', pageNo: 1, pageSize: 10 };
          const answer = await api.config('GET', '/history', { query });
          expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
          const history = JSON.parse(answer.body) as { pageItems: { id: string; opType: string }[] };
          expect(history).toMatchObject({ totalCount: 3, pageNumber: 1, pagesAvailable: 1 });
          expect(history.pageItems.map((item) => item.opType.trim())).toEqual(['D', 'U', 'I']);
          pageItems = history.pageItems;
        });
        // A page has no content; a single item has the content before the change, the first item the initial content.
        const contents: string[] = [];
        for (const { id } of pageItems) {
          const answer = await api.config('GET', '/history', { query: { nid: id, dataId, group: 'LANE' } });
          contents.push((JSON.parse(answer.body) as { content: string }).content);
        }
        expect(contents).toEqual(['two', 'one', 'one']);
      });

      describe.concurrent('long polling', () => {
        test('an outdated listener is told at once what changed', async () => {
          const dataId = uniqueName('config');
          await publish(dataId, 'one');
          await readUntil(dataId, 'one');

          const answer = await poll([[dataId, md5('zero')]]);

          expect(answer).toMatchObject({ status: 200, contentType: 'application/json' });
          expect(answer.body.trim()).toBe(changed(dataId));
        });

        test('an up-to-date listener is told at the next change, and of that one only', async () => {
          const [still, moving] = [uniqueName('config'), uniqueName('config')];
          for (const dataId of [still, moving]) {
            await publish(dataId, 'one');
            await readUntil(dataId, 'one');
          }
          let answered = false;
          const answer = poll([
            [still, md5('one')],
            [moving, md5('one')],
          ]).finally(() => (answered = true));
          // Enough round trips for the poll to arrive before the change.
          for (let count = 0; count < 5; count += 1) await api.request('GET', '/ns/operator/metrics');
          expect(answered).toBe(false);

          await publish(moving, 'two');

          expect((await answer).body.trim()).toBe(changed(moving));
        });

        test('a listener is told when a config is created and when it is removed', async () => {
          const dataId = uniqueName('config');
          const created = poll([[dataId, '']]);
          await publish(dataId, 'one');
          expect((await created).body.trim()).toBe(changed(dataId));
          await readUntil(dataId, 'one');

          const removed = poll([[dataId, md5('one')]]);
          await api.config('DELETE', '/configs', { query: { dataId, group: 'LANE' } });
          expect((await removed).body.trim()).toBe(changed(dataId));
        });

        test('without a change the answer is empty, after 10 s at the earliest; publishing the same content is no change', async () => {
          const dataId = uniqueName('config');
          await publish(dataId, 'one');
          await readUntil(dataId, 'one');

          const answer = poll([[dataId, md5('one')]], 100);
          // Enough round trips for the poll to arrive first.
          for (let count = 0; count < 5; count += 1) await api.request('GET', '/ns/operator/metrics');
          await publish(dataId, 'one');

          expect(await answer).toMatchObject({ status: 200, body: '' });
        });

        test('a poll for nothing is rejected', async () => {
          const answer = await api.request('POST', '/cs/configs/listener', { headers: { 'Long-Pulling-Timeout': '30000' } });
          expectRefused(answer, 'invalid probeModify');
        });
      });
    });

    const instance = { ip: '10.0.0.1', port: 8080 };

    function namespace(): string {
      return api.connection.namespace;
    }

    async function register(serviceName: string, more: Record<string, string | number | boolean> = {}): Promise<void> {
      const answer = await api.naming('POST', '/instance', { query: { ...instance, serviceName, ...more } });
      expect(answer).toMatchObject({ status: 200, body: 'ok' });
    }

    /** A light beat, as clients send once the server has answered lightBeatEnabled. */
    function beat(serviceName: string, more: Record<string, string | number> = {}): Promise<Answer> {
      return api.naming('PUT', '/instance/beat', {
        query: { ...instance, serviceName: `DEFAULT_GROUP@@${serviceName}`, clusterName: 'DEFAULT', ...more },
      });
    }

    /** Waits until the hosts of the service meet the expectation. */
    function hosts(serviceName: string, expectation: (found: Host[]) => void): Promise<void> {
      return eventually(async () => {
        const answer = await api.naming('GET', '/instance/list', { query: { serviceName } });
        expectation((JSON.parse(answer.body) as { hosts: Host[] }).hosts);
      });
    }

    async function publish(dataId: string, content: string, more: Record<string, string> = {}): Promise<void> {
      const answer = await api.config('POST', '/configs', { form: { dataId, group: 'LANE', content, ...more } });
      expect(answer).toMatchObject({ status: 200, contentType: 'application/json', body: 'true' });
    }

    function readUntil(dataId: string, content: string): Promise<Answer> {
      return eventually(async () => {
        const answer = await api.config('GET', '/configs', { query: { dataId, group: 'LANE' } });
        expect(answer).toMatchObject({ status: 200, body: content });
        return answer;
      });
    }

    function poll(known: [dataId: string, md5: string][], timeoutMs = 30_000): Promise<Answer> {
      const listening = known.map(([dataId, hash]) => `${dataId}\x02LANE\x02${hash}\x02${namespace()}\x01`).join('');
      return api.request('POST', '/cs/configs/listener', {
        headers: { 'Long-Pulling-Timeout': String(timeoutMs) },
        form: { 'Listening-Configs': listening },
      });
    }

    function changed(dataId: string): string {
      return `${dataId}%02LANE%02${namespace()}%01`;
    }
  });
}

/** Servers word it `message` (2.1) or `caused: message;` (2.2). */
function expectRefused(answer: Answer, message: string): void {
  expect(answer).toMatchObject({ status: 400, contentType: 'text/plain', body: expect.stringContaining(message) });
}

function healthOf(found: Host[]): Record<string, boolean> {
  return Object.fromEntries(found.map(({ ip, healthy }) => [ip, healthy]));
}

function md5(content: string): string {
  return createHash('md5').update(content).digest('hex');
}

interface Push {
  type: string;
  lastRefTime: number;
  packed: boolean;
  service: { name: string; clusters: string; hosts: Host[] };
}

/** The next push for the service that is not empty and that `matches` accepts. Acknowledges every push. */
function nextPush(socket: Socket, serviceName: string, matches = (_: Push['service']): boolean => true): Promise<Push> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => {
      socket.off('message', onMessage);
      fail(new Error(`no push about ${serviceName} within 30 s`));
    }, 30_000);
    const onMessage = (message: Buffer, from: { address: string; port: number }): void => {
      const packed = message[0] === 0x1f && message[1] === 0x8b;
      const { data, ...rest } = JSON.parse((packed ? gunzipSync(message) : message).toString()) as Omit<Push, 'service'> & { data: string };
      socket.send(JSON.stringify({ type: 'push-ack', lastRefTime: rest.lastRefTime, data: '' }), from.port, from.address);
      const service = JSON.parse(data) as Push['service'];
      if (service.hosts.length === 0 || !service.name.endsWith(`@@${serviceName}`) || !matches(service)) return;
      clearTimeout(timer);
      socket.off('message', onMessage);
      done({ ...rest, packed, service });
    };
    socket.on('message', onMessage);
  });
}
