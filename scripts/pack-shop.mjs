/**
 * Runs before `@lane/cli` is packed: copies the demo's services (`examples/shop`) into it, and pins their dependencies to the tested versions.
 * `--remove` removes them again.
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
  // npm does not know pnpm's `catalog:`.
  manifest.dependencies = Object.fromEntries(Object.keys(manifest.dependencies).map((name) => [name, versionOf(name)]));
  writeFileSync(join(packed, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
