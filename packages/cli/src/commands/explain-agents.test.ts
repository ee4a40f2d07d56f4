/** What `lane explain` tells of agents: a request goes by what the caller's agent knows, which the registry may have forgotten. */
import { createServer } from 'node:http';
import { startEmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos } from '@lane/nacos-registry';
import { publishLaneGroups } from '@lane/storage';
import { expect, onTestFinished, test } from 'vitest';
import { ask, closing, eventually, instanceAt, listen, shopGroup, temporaryFolder } from '@lane/testing';
import { runLane, startShopService } from '@lane/testing/programs';

test('instances in use are shown with source and age, also those that the registry dropped', async () => {
  const nacos = await startEmbeddedNacos({ port: 0 });
  onTestFinished(() => nacos.close());
  const connection = connectNacos({ server: nacos.address });
  onTestFinished(() => connection.close());
  const document = shopGroup(['spring-cloud-b', 'spring-cloud-c'], 'edge', [{ name: 'gray', tag: 'gray', rules: [] }]);
  await publishLaneGroups(connection, JSON.stringify(document));
  const c = { name: 'spring-cloud-c', group: 'DEFAULT_GROUP' };
  const listening = async (): Promise<number> => {
    const server = closing(createServer((_, response) => response.end('c')));
    return listen(server);
  };
  const base = instanceAt(await listening(), undefined, { ip: '127.0.0.1' });
  const baseFar = instanceAt(await listening(), undefined, { ip: '127.0.0.1' });
  const gray = instanceAt(await listening(), 'gray', { ip: '127.0.0.1' });
  await connection.register(c, { ...base, metadata: { ...base.metadata, zone: 'a' } });
  await connection.register(c, { ...baseFar, metadata: { ...baseFar.metadata, zone: 'b' } });
  await connection.register(c, gray);
  const port = await startShopService('b.js', {
    NACOS_SERVER: nacos.address,
    LANE_SNAPSHOT_DIR: temporaryFolder(),
    LANE_ADMIN_PORT: '0',
    LANE_NEAR: 'zone',
    LANE_ZONE: 'a',
  });

  // What it knows is what it has called.
  expect((await ask(port, { path: '/b', headers: { baggage: 'lane=gray' } })).status).toBe(200);

  const explain = async (...more: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runLane(['explain', '--from', 'spring-cloud-b', '--tag', 'gray', '--via', 'spring-cloud-c', ...more], {
      env: { LANE_NACOS_SERVER: nacos.address },
    });
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  };
  const row = (text: string): RegExp => new RegExp(`\\n +127\\.0\\.0\\.1:${gray.port} +${text}\\n`);
  // Each time it asks the agent anew, which on a busy machine may not answer in time.
  await eventually(async () => expect(await explain()).toMatch(row('gray +serves 100 % +listed by (the registry|the app’s own client) \\d+ s ago')));
  const passedOver = new RegExp(
    `127\\.0\\.0\\.1:${baseFar.port} +base +base, not used +listed by [^,]+, passed over by 1 of 1: others of its lane are nearer\n`,
  );
  await eventually(async () => expect(await explain()).toMatch(passedOver));

  // The last of its lane: nobody can tell whether it is gone.
  await connection.deregister(c, gray);
  await eventually(async () =>
    expect(await explain()).toMatch(row('gray +not in the registry +listed by .+ \\d+ s ago, in use by 1 of 1 though absent for \\d+ s')),
  );
  await eventually(async () =>
    expect(JSON.parse(await explain('--json'))).toMatchObject({
      hops: [
        {
          reason: 'fell-back-to-base',
          agents: expect.arrayContaining([
            expect.objectContaining({ address: `127.0.0.1:${gray.port}`, tag: 'gray', doubt: 'absent', doubtedBy: 1, agents: 1 }),
          ]) as unknown,
        },
      ],
    }),
  );
});
