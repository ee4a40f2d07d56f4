/**
 * Nothing of a tag reaches hosts where it may not go (LANE_PROPAGATE_TO=internal): neither what we would write, nor what the app's OpenTelemetry or the
 * app itself wrote. Other entries of `baggage` arrive unchanged. Public names lead to this machine.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { send, startApp, type App } from '../agent/run-app.js';
import { startGrpcPeer } from './peers/grpc.js';
import { startHttp2Peer } from './peers/http2.js';

const OWN = 'user=42 ;p=1,x=%2C';

let peer: Peer;
let grpc: Peer;
let http2: Peer;
beforeAll(async () => void ([peer, grpc, http2] = await Promise.all([startPeer(), startGrpcPeer('grpc'), startHttp2Peer('http2')])));
afterAll(async () => void (await Promise.all([peer?.close(), grpc?.close(), http2?.close()])));

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each([
    ['without another agent', [], true],
    // Its HTTP instrumentation overwrites the app's own baggage, with and without us.
    ["with the app's OpenTelemetry", ['../../matrix/apps/other-agents/otel.cjs'], false],
  ])('%s', async (_, preload, keepsOwn) => {
    const app = await startApp({
      node,
      script: '../../matrix/apps/held-back.cjs',
      preload,
      env: {
        PORT: String(peer.port),
        GRPC_PORT: String(grpc.port),
        HTTP2_PORT: String(http2.port),
        LANE_FORMATS: 'baggage,mse',
      },
      says: [
        /the lane tag is not sent to (8\.8\.8\.8|api\.example\.com): it does not look internal/,
        /the lane tag is not sent to pay: the app's own resolver/,
      ],
    });
    try {
      const { ways, allowed } = JSON.parse((await send(app.port, '/ways')).body) as Record<'ways' | 'allowed', string[]>;
      const wrong: string[] = [];
      for (const way of ways) {
        for (const tag of ['gray', undefined]) {
          const seen = await headersOf(app, `/?way=${encodeURIComponent(way)}`, tag);
          const carried = Object.entries(seen).filter(([, value]) => value.includes('gray'));
          if (carried.length > 0) wrong.push(`${way}: ${JSON.stringify(carried)}`);
          if (keepsOwn && seen['baggage'] !== OWN) wrong.push(`${way}, ${tag ?? 'no tag'}: the app's own baggage is ${seen['baggage']}`);
        }
      }
      for (const way of allowed) {
        const seen = await headersOf(app, `/allowed?way=${encodeURIComponent(way)}`, 'gray');
        if (!seen['baggage']?.includes('lane=gray') || seen['x-mse-tag'] !== 'gray') wrong.push(`${way}, allowed: ${JSON.stringify(seen)}`);
      }
      expect(wrong).toEqual([]);
      expect(app.stderr()).toContain('the lane tag is not sent to api.example.com');
    } finally {
      await app.stop();
    }
  });
});

async function headersOf(app: App, path: string, tag: string | undefined): Promise<Record<string, string>> {
  const { status, body } = await send(app.port, path, tag === undefined ? {} : { baggage: `lane=${tag}`, 'x-mse-tag': tag });
  if (status !== 200) throw new Error(`${path}: ${body}`);
  return JSON.parse(body) as Record<string, string>;
}
