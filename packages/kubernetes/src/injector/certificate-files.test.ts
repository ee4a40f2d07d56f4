import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { SILENT_LOG } from '@lane/core/model';
import { expect, onTestFinished, test } from 'vitest';
import { readCertificateFiles } from './certificate-files.js';
import { nextState } from './certificates.js';
import { INJECT_DEFAULTS } from './inject-pod.js';
import { startInjector } from './injector.js';

test('serves the old pair until the key for a new certificate arrives, and then the new one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lane-certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [certificateFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  const [first, second] = [await nextState(undefined, ['127.0.0.1'], Date.now()), await nextState(undefined, ['127.0.0.1'], Date.now())];
  writeFileSync(certificateFile, first.serving.certificate);
  writeFileSync(keyFile, first.serving.key);

  let said: (problem: string) => void = () => {};
  const problem = new Promise<string>((resolve) => (said = resolve));
  const injector = await startInjector({
    host: '127.0.0.1',
    port: 0,
    metricsPort: 0,
    inject: { ...INJECT_DEFAULTS, image: 'lane-agent:1' },
    keepCertificate: () => readCertificateFiles(certificateFile, keyFile),
    intervalMs: 20,
    log: { ...SILENT_LOG, error: said },
  });
  onTestFinished(() => injector.close());
  const served = async (): Promise<string> => {
    const socket = connect({ port: injector.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerX509Certificate() as X509Certificate;
    socket.destroy();
    return fingerprint256;
  };
  const fingerprintOf = (pem: string): string => new X509Certificate(pem).fingerprint256;

  writeFileSync(certificateFile, second.serving.certificate);
  expect(await problem).toMatch(/tried again in 0\.02 s: .*key values mismatch; give PEM files that belong together/);
  expect(await served()).toBe(fingerprintOf(first.serving.certificate));
  writeFileSync(keyFile, second.serving.key);
  while ((await served()) !== fingerprintOf(second.serving.certificate));
});
