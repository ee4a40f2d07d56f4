/** If a service's name is a host, which of the host's ports belong to the service, for every client. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

const HTTP = { base: 'gray', other: 'other' };
/** Nothing identifies such a socket as a request to the service. */
const RAW = { base: 'base', other: 'other' };

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('a registered port leads into the lane, any other follows DNS, and raw sockets are left alone', async () => {
    const { code, stdout, stderr } = await runApp({
      node,
      script: 'ports-of-names.cjs',
      env: { LANE_SERVICES: 'localhost=pay', LANE_REGISTRY_HOLD: 'off' },
    });
    expect({ code, found: JSON.parse(stdout || '{}') }).toEqual({
      code: 0,
      found: {
        http: HTTP,
        fetch: HTTP,
        'an undici Pool': HTTP,
        http2: HTTP,
        'http2 over a connection of the app’s': HTTP,
        gRPC: HTTP,
        'a raw socket': RAW,
        'a raw TLS socket': RAW,
      },
    });
    // Logged with the remedy, because it may be the service behind another port.
    const told = /^lane warn: calls to localhost:\d+ go to DNS, .* the registry has pay at \d+, \d+\. .* set LANE_SERVICES=localhost:\d+=pay$/;
    expect(
      stderr
        .trim()
        .split('\n')
        .filter((line) => !told.test(line)),
    ).toEqual([]);
  });
});
