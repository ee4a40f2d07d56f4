/** A real Nacos for examples whose clients speak gRPC: the one that the tests use, from Maven Central. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Starts it on a free port; needs Java 17 and Maven. */
export function startRealNacos() {
  const outfile = join(root, '.cache/real-nacos.cjs');
  buildSync({
    entryPoints: [join(root, 'test/servers/real-nacos.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    // The folder of its recipe, and of its downloads.
    define: { __dirname: JSON.stringify(join(root, 'test/servers')) },
    logLevel: 'error',
  });
  const nacos = createRequire(import.meta.url)(outfile);
  return nacos.startRealNacos({ version: '2.2.4', log: (line) => console.log(line) });
}
