/** Others patch what we have patched, later. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('who changes EventEmitter.prototype.emit after the agent has started, sees what is seen without it', async () => {
    const without = await runApp({ node, script: 'emit-patched-later.cjs', load: 'none' });
    const seen = JSON.parse(without.stdout) as string[];
    expect(seen).toEqual(expect.arrayContaining(['domain caught of a server', 'message end', 'server request']));
    expect(await runApp({ node, script: 'emit-patched-later.cjs' })).toEqual(without);
  });
});
