/** Names that DNS cannot resolve: if the agent was not told of a service, the error says so. */
import { createServer } from 'node:net';
import { startEmbeddedNacos, type EmbeddedNacos } from '@lane/embedded-nacos';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { listen } from '@lane/testing/ports';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from './nodes.js';
import { runApp } from './run-app.js';

/** DNS never resolves names of this domain (RFC 6761). */
const SERVICE = 'pay.invalid';
const NOBODY = 'nobody.invalid';
const REMEDY =
  ` (the registry has a service ${SERVICE}, but no lane group and no LANE_SERVICES names it, so the call went to DNS: ` +
  `set LANE_SERVICES=${SERVICE}, or add it to a lane group)`;

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hostname: string;
  readonly isInStack: boolean;
}

let nacos: EmbeddedNacos;
let connection: NacosConnection;
beforeAll(async () => {
  nacos = await startEmbeddedNacos({ port: 0 });
  connection = connectNacos({ server: `127.0.0.1:${nacos.port}` });
  await connection.register({ name: SERVICE, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: 8080 });
});
afterAll(async () => {
  await connection?.close();
  await nacos?.close();
});

async function told(
  node: string,
  env: Record<string, string>,
  load?: 'none',
): Promise<{ told: Record<string, Record<string, Told>>; stderr: string }> {
  const { code, stdout, stderr } = await runApp({
    node,
    script: 'unresolved-names.cjs',
    env: { HOSTS: `${SERVICE},${NOBODY}`, ...env },
    ...(load === undefined ? {} : { load }),
  });
  expect(code).toBe(0);
  return { told: JSON.parse(stdout) as Record<string, Record<string, Told>>, stderr };
}

describe.each(nodeVersions())('$name', ({ path: node }) => {
  test('the error names the remedy if the registry has a service of that name, and is otherwise unchanged', async () => {
    const [{ told: without }, { told: found, stderr }] = await Promise.all([
      told(node, {}, 'none'),
      told(node, { LANE_NACOS_SERVER: `127.0.0.1:${nacos.port}` }),
    ]);
    const expected = Object.entries(without[SERVICE] ?? {}).map(([way, error]) => [way, { ...error, message: error.message + REMEDY }]);
    expect(expected).toHaveLength(7);
    expect(found[SERVICE]).toEqual(Object.fromEntries(expected));
    expect(found[NOBODY]).toEqual(without[NOBODY]);
    expect(stderr).toBe(`lane warn: ${SERVICE} can't be resolved: ${REMEDY.slice(2, -1)}\n`);
  });

  test('a registry that does not answer delays the error only briefly, and one that is down not at all', async () => {
    const silent = createServer(() => {});
    const port = await listen(silent);
    try {
      const { told: without } = await told(node, {}, 'none');
      const env = { LANE_RULES: 'none', LANE_LOG: 'error' };
      expect((await told(node, { ...env, LANE_NACOS_SERVER: `127.0.0.1:${port}` })).told).toEqual(without);
      expect((await told(node, { ...env, LANE_NACOS_SERVER: '127.0.0.1:1' })).told).toEqual(without);
    } finally {
      silent.close();
    }
  });
});
