/** Requests that no server emits, as tests, batches and functions make them: the agent reads their lane too. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { runApp } from '../agent/run-app.js';

const WAYS = [
  'fastify.inject',
  'fastify.inject, a body',
  'fastify.inject, chained',
  'light-my-request, express',
  'light-my-request, frozen',
  'hapi, inject',
  'hapi, inject, a body',
  'serverless-express',
  'serverless-http',
];

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('uses its own tag or, without one, that of the surrounding request', async () => {
    const { code, stdout, stderr } = await runApp({ node, script: '../../matrix/apps/injected.cjs' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(WAYS.map((way) => [way, 'gray,none,blue,gray,green'])));
  });
});
