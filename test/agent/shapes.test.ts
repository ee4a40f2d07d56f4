/** Patched objects look the same as without the agent. */
import { expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { shapeOf } from './shapes.js';

const MODULES = ['http', 'https', 'http2', 'net', 'tls', 'events', 'stream', 'diagnostics_channel', 'child_process', 'dns', 'timers', 'util'];

test.each(nodeVersions())('modules of Node itself, after a tagged request, upgrade and stream, $name', async ({ path }) => {
  const files = MODULES.map((name) => `node:${name}`);
  const without = await shapeOf(path, files, 'none');
  expect(Object.keys(without).length).toBeGreaterThan(500);
  expect(await shapeOf(path, files, '--require')).toMatchObject(without);
});
