/** Certificates that somebody else makes and rotates, such as cert-manager: files of a mounted Secret. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { notAfterOf } from './certificates.js';
import type { ServingCertificate } from './server.js';

/** Reads what is to be served now. Throws with code `ELANE_CERTIFICATE` and what to do about it. */
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
