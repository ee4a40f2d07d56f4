/**
 * Before `@lane/cli` is packed: puts the services of the demo (`examples/shop`) into it, with the versions of what they use that they were tried
 * with. `--remove` takes them out again.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const shop = join(root, 'examples/shop');
const packed = join(root, 'packages/cli/shop');

rmSync(packed, { recursive: true, force: true });
if (!process.argv.includes('--remove')) {
  cpSync(shop, packed, { recursive: true, filter: (path) => !path.startsWith(join(shop, 'node_modules')) });
  const manifest = JSON.parse(readFileSync(join(shop, 'package.json'), 'utf8'));
  const versionOf = (name) => JSON.parse(readFileSync(join(shop, 'node_modules', name, 'package.json'), 'utf8')).version;
  // `catalog:` is pnpm's.
  manifest.dependencies = Object.fromEntries(Object.keys(manifest.dependencies).map((name) => [name, versionOf(name)]));
  writeFileSync(join(packed, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
