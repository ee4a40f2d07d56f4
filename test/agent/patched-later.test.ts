/** Others patch what we patched, after us. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('a patch of EventEmitter.prototype.emit after the agent has started sees the same as without it', async () => {
    const without = await runApp({ node, script: 'emit-patched-later.cjs', load: 'none' });
    const seen = JSON.parse(without.stdout) as string[];
    expect(seen).toEqual(expect.arrayContaining(['domain caught of a server', 'message end', 'server request']));
    expect(await runApp({ node, script: 'emit-patched-later.cjs' })).toEqual(without);
  });

  test.each(['domain', 'zone.js', 'async-listener', 'ses', 'emit'])(
    '%s sees what it sees without the agent, and no lane is lost',
    async (library) => {
      const run = (load: '--require' | 'none'): ReturnType<typeof runApp> => runApp({ node, script: 'patched-by-others.cjs', args: [library], load });
      const without = await run('none');
      const { seen, lost } = JSON.parse(without.stdout) as { seen: string[]; lost: number };
      expect(seen.length).toBeGreaterThan(0);
      // Two of three carry a tag, and no other request gets it.
      expect(lost).toBe(20);
      expect(await run('--require')).toEqual({ ...without, stdout: `${JSON.stringify({ seen, lost: 0 })}\n` });
    },
  );
});
