/** Certificates that somebody else makes and rotates, such as cert-manager: files of a mounted Secret. */
import { readFileSync } from 'node:fs';
import { notAfterOf } from './certificates.js';
import type { ServingCertificate } from './server.js';

/** Reads what is to be served now; throws where a file can't be read. */
export function readCertificateFiles(certificateFile: string, keyFile: string): ServingCertificate {
  const certificate = readFileSync(certificateFile, 'utf8');
  return { certificate, key: readFileSync(keyFile, 'utf8'), notAfter: notAfterOf(certificate) };
}
