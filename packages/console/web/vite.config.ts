import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const LICENCES = 'THIRD-PARTY-LICENSES.md';

/** Packages that workers are made of, by folder: Vite 8 names those of the pages alone. */
const inWorkers = new Set<string>();

const notePackages: Plugin = {
  name: 'lane:note-packages-of-workers',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk') continue;
      for (const id of chunk.moduleIds) {
        const folder = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0];
        if (folder !== undefined) inWorkers.add(folder);
      }
    }
  },
};

const addLicences: Plugin = {
  name: 'lane:add-licences-of-workers',
  writeBundle({ dir = '' }) {
    for (const folder of [...inWorkers].toSorted()) {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
      const file = ['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((one) => join(folder, one)).find((one) => existsSync(one));
      if (file === undefined) throw new Error(`${name} is in a worker and has no file with its licence`);
      appendFileSync(join(dir, LICENCES), `\n## ${name} - ${version} (${license})\n\n${readFileSync(file, 'utf8').trim()}\n`);
    }
  },
};

export default defineConfig({
  plugins: [react(), addLicences],
  worker: { format: 'es', plugins: () => [notePackages] },
  // The console puts a fresh nonce in for each page it serves: Mantine's styles need it.
  html: { cspNonce: '%NONCE%' },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // What is in the pages is of others: their licences go with it.
    license: { fileName: LICENCES },
    // Inlined assets would be data: addresses, which the policy does not permit everywhere.
    assetsInlineLimit: 0,
    target: 'es2022',
    // As they are: what stands for light-dark() in older browsers loses the colours that are variables.
    cssTarget: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8900' } },
});
