/** A certificate and its key in files, reread when cert-manager, certbot or somebody changes them. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Log } from '@lane/core/model';
import type { Certificate } from './listener.js';

/** Their paths. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const SETTLE_MS = 100;
/** Polling, for what watchers miss, such as network file systems. */
const POLL_MS = 5_000;

/** Reads both. Throws with code `ELANE_CERTIFICATE` and what to do about it. */
export function readCertificate(files: CertificateFiles): Certificate {
  try {
    const certificate = { cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) };
    createSecureContext(certificate);
    return certificate;
  } catch (error) {
    const problem = `${files.cert} and ${files.key} are no certificate and its key: ${(error as Error).message}; give PEM files that belong together`;
    throw Object.assign(new Error(problem), { code: 'ELANE_CERTIFICATE' });
  }
}

/** Calls back with each new valid pair. Logs an invalid one: the two files may not change at the same moment. */
export function watchCertificate(files: CertificateFiles, current: Certificate, onChange: (changed: Certificate) => void, log: Log): () => void {
  let last = textOf(current);
  let lastProblem: string | undefined;
  let settling: NodeJS.Timeout | undefined;
  const look = (): void => {
    settling = undefined;
    try {
      const certificate = readCertificate(files);
      lastProblem = undefined;
      if (textOf(certificate) === last) return;
      last = textOf(certificate);
      onChange(certificate);
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastProblem) log.warn(`keeping the current certificate: ${message}`);
      lastProblem = message;
    }
  };
  // Watch the folders: Kubernetes replaces files through a link.
  const watchers = [...new Set([dirname(files.cert), dirname(files.key)])].flatMap((folder) => {
    try {
      const watcher = fs.watch(folder, { persistent: false }, () => (settling ??= setTimeout(look, SETTLE_MS)));
      watcher.on('error', () => watcher.close());
      return [watcher];
    } catch {
      // No watchers left: polling suffices.
      return [];
    }
  });
  const polling = setInterval(look, POLL_MS).unref();
  return () => {
    for (const watcher of watchers) watcher.close();
    clearTimeout(settling);
    clearInterval(polling);
  };
}

function textOf({ cert, key }: Certificate): string {
  return `${cert.toString()}\n${key.toString()}`;
}
