import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // The console puts a fresh nonce in for each page it serves: Mantine's styles need it.
  html: { cspNonce: '%NONCE%' },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    // What is in the pages is of others: their licences go with it.
    license: { fileName: 'THIRD-PARTY-LICENSES.md' },
    // Inlined assets would be data: addresses, which the policy does not permit everywhere.
    assetsInlineLimit: 0,
    target: 'es2022',
    // As they are: what stands for light-dark() in older browsers loses the colours that are variables.
    cssTarget: ['chrome123', 'edge123', 'firefox120', 'safari17.5'],
    chunkSizeWarningLimit: 1500,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8900' } },
});
