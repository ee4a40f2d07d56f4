/** Calls by name that wait for the registry: what callers do in the meantime takes effect, and callers get the errors of their calls. */
import { createServer, type Socket } from 'node:net';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

const sockets = new Set<Socket>();
const hanging = createServer((socket) => void sockets.add(socket));
let port: number;

beforeAll(async () => {
  port = await listen(hanging);
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  hanging.close();
});

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each(['undici', 'undici6'])(
    'timeouts, signals and destroy take effect, and errors appear where they would without the agent (%s)',
    async (undici) => {
      const { code, stdout, stderr } = await runApp({
        node,
        script: 'given-up.cjs',
        env: {
          LANE_NACOS_SERVER: `127.0.0.1:${port}`,
          LANE_SERVICES: Array.from({ length: 20 }, (_, i) => `service-${i}`).join(),
          LANE_LOG: 'error',
          UNDICI: undici,
        },
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const ended = JSON.parse(stdout) as Record<string, string>;
      const { 'a bad option of undici': told, ...others } = ended;
      // undici validates its options once it has a destination, and its callers have a promise.
      expect(told).toContain('UND_ERR_INVALID_ARG');
      expect(Object.entries(others).filter(([, how]) => !how.startsWith('in time'))).toEqual([]);
      expect(ended).toMatchObject({
        'destroy of an undici Agent': expect.stringContaining('by the app'),
        'a deadline of gRPC': expect.stringMatching(/DEADLINE_EXCEEDED/),
        'cancel of gRPC': expect.stringMatching(/CANCELLED/),
        'close of a gRPC client': expect.stringMatching(/UNAVAILABLE/),
        'a throw of an http.Agent': expect.stringContaining('not allowed: service-'),
        'a bad option': expect.stringContaining('ERR_INVALID_IP_ADDRESS'),
        'a bad option of a socket': expect.stringContaining('ERR_INVALID_IP_ADDRESS'),
      });
    },
  );
});
