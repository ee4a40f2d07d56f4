/** An app's limits hold even if its calls go to another instance than its pool was created for. */
import { describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test.each(['undici', 'undici6'])('a Pool and a Client of %s do not exceed their connection limits', async (undici) => {
    const { code, stdout, stderr } = await runApp({ node, script: 'pool-limits.cjs', env: { UNDICI: undici, LANE_SERVICES: 'stock' } });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      'pool by name': ['gray', 2],
      'client by name': ['gray', 1],
      'pool by address': ['gray', 2],
      'client by address': ['gray', 1],
    });
  });
});
