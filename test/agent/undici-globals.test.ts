/** Any of its globals may load the undici inside Node, whose dispatcher is then also that of the app's own undici. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { appFile, runApp, send, startApp } from './run-app.js';

let peer: Peer;
beforeAll(async () => {
  peer = await startPeer();
});
afterAll(() => peer.close());

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each(['none', 'Headers', 'FormData', 'WebSocket', 'MessageEvent'])('undici carries the tag after a read of %s', async (GLOBAL) => {
    const app = await startApp({
      node,
      script: 'undici-after-global.cjs',
      env: { GLOBAL, PEER: `http://127.0.0.1:${peer.port}/`, LANE_PROPAGATE_TO: 'all' },
    });
    const { body } = await send(app.port, '/', { baggage: 'lane=gray' });
    expect((JSON.parse(body) as Seen).headers.baggage).toBe('lane=gray');
    await app.stop();
  });

  test('fetch carries the tag beside the app’s own dispatcher, and nothing else is logged', async () => {
    const app = await startApp({ node, script: 'own-dispatcher.cjs', env: { PEER: `http://127.0.0.1:${peer.port}/` } });
    const { body } = await send(app.port, '/', { baggage: 'lane=gray' });
    expect((JSON.parse(body) as Seen).headers.baggage).toBe('lane=gray');
    await app.stop();
    expect(app.stderr()).toBe('');
  });

  test('a dispatcher set before the agent is reported in one line with its effect', async () => {
    const { stderr } = await runApp({ node, script: 'done.cjs', nodeArgs: ['--require', appFile('early-dispatcher.cjs')] });
    expect(stderr).toMatch(/^lane warn: fetch uses a dispatcher that was set before the agent was loaded.*\n$/);
  });
});
