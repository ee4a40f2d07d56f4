/** The parts of the agent in one process know the same instances. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('an app that has loaded http2 before its first call has one runtime: a call to a dead instance goes to another one', async () => {
    const { code, stdout } = await runApp({ node, script: 'one-runtime.cjs', load: '--require' });
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: 'alive' });
  });
});
