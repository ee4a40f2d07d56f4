/** The undici inside Node may be loaded by any of its globals, and its dispatcher is then that of the app's own undici. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { startPeer, type Peer, type Seen } from './peer.js';
import { send, startApp } from './run-app.js';

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
});
