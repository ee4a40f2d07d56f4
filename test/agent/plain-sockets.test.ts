/** What the agent puts around sockets and methods leaves them to V8 as they are: an app that calls instances is as fast as before. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each([
    ['none', 'base'],
    ['--require', 'gray'],
  ] as const)('sockets of calls keep their hidden class, and a method without its object throws (agent: %s)', async (load, gray) => {
    const { code, stdout, stderr } = await runApp({ node, script: 'plain-sockets.cjs', load, nodeArgs: ['--allow-natives-syntax'] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ own: { text: 'base', isFast: true }, gray: { text: gray, isFast: true }, thrown: 'TypeError' });
  });
});
