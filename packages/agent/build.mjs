/**
 * Bundles the agent into one file: what it costs at start is mostly opening files (25 of them took twice as long as one). Before it stands
 * the preload itself, a small file in old syntax: what an old Node can't parse would end the host before any check of its version.
 * The core goes in from its sources, without the parts that the agent needs only later; those, and the Nacos side, stay
 * packages of their own and are loaded when there is need.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

await build({
  absWorkingDir: here,
  entryPoints: { register: 'src/register.ts', agent: 'src/boot/start.ts' },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'cjs',
  plugins: [
    {
      name: 'the-agent-beside-its-preload',
      setup: ({ onResolve }) => onResolve({ filter: /^\.\/boot\/start\.js$/ }, () => ({ path: './agent.js', external: true })),
    },
    {
      name: 'core-from-its-sources',
      setup: ({ onResolve }) =>
        onResolve({ filter: /^@lane\/core\/(model|agent)$/ }, ({ path }) => ({
          path: join(here, '../core/src', path.endsWith('/model') ? 'model.ts' : 'agent/index.ts'),
          sideEffects: false,
        })),
    },
  ],
  external: ['@lane/core/rules', '@lane/nacos-registry', '@lane/kubernetes-registry', '@lane/traces', 'yaml'],
  logLevel: 'warning',
  legalComments: 'none',
});
writeFileSync(join(here, 'dist/register.d.ts'), '/** Loading this starts the agent; it exports nothing. */\nexport {};\n');
