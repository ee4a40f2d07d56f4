/** Certificates that another program such as cert-manager issues and rotates: files of a mounted Secret. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { notAfterOf } from './certificates.js';
import type { ServingCertificate } from './server.js';

/** Reads the certificate to serve now. Throws an error with code `ELANE_CERTIFICATE` and the remedy. */
export function readCertificateFiles(certificateFile: string, keyFile: string): ServingCertificate {
  try {
    const certificate = readFileSync(certificateFile, 'utf8');
    const key = readFileSync(keyFile, 'utf8');
    createSecureContext({ cert: certificate, key });
    return { certificate, key, notAfter: notAfterOf(certificate) };
  } catch (error) {
    const problem = `${certificateFile} and ${keyFile} are no certificate and its key: ${(error as Error).message}; give PEM files that belong together`;
    throw Object.assign(new Error(problem), { code: 'ELANE_CERTIFICATE' });
  }
}
