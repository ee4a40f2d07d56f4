import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const LICENCES = 'THIRD-PARTY-LICENSES.md';

/** Folders of the packages in workers, because Vite 8 lists only those of the pages. */
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
  // The console replaces this by a fresh nonce per page, which Mantine's styles need.
  html: { cspNonce: '%NONCE%' },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // Ship the licences of bundled packages.
    license: { fileName: LICENCES },
    // Inlined assets would be data: URLs, which the content security policy forbids in part.
    assetsInlineLimit: 0,
    target: 'es2022',
    // Keep light-dark(): its polyfill for older browsers loses colours that are variables.
    cssTarget: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8900' } },
});
