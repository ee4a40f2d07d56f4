/** Bundles what the core takes from others beside what tsc has built. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleLibrary } from '../../scripts/bundle-library.mjs';

const here = dirname(fileURLToPath(import.meta.url));
writeFileSync(join(here, 'dist/re2js.js'), await bundleLibrary(build, 're2js', ['RE2JS'], here));
