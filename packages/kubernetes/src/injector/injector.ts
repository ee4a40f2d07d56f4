/** The whole injector: certificates and servers, kept in sync. */
import type { Log } from '@lane/core/model';
import { startInjectorServer, type InjectorServer, type InjectorServerOptions, type ServingCertificate } from './server.js';

/** Options of {@link startInjector}. */
export interface InjectorOptions extends Omit<InjectorServerOptions, 'certificate'> {
  /** Returns the certificate to serve, and renews what is due; called at startup and at each interval. */
  readonly keepCertificate: () => Promise<ServingCertificate> | ServingCertificate;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 30_000;

/** Starts it; rejects if there is no certificate at startup. */
export async function startInjector(options: InjectorOptions): Promise<InjectorServer> {
  const { keepCertificate, intervalMs = INTERVAL_MS, log } = options;
  let served = await keepCertificate();
  const server = await startInjectorServer({ ...options, certificate: served });
  const timer = setInterval(() => void keep(log), intervalMs);
  timer.unref();
  return {
    ...server,
    async close(lingerMs) {
      clearInterval(timer);
      await server.close(lingerMs);
    },
  };

  async function keep(into: Log): Promise<void> {
    try {
      const certificate = await keepCertificate();
      if (certificate.certificate === served.certificate) return;
      server.setCertificate(certificate);
      served = certificate;
    } catch (error) {
      into.error(`the certificate could not be looked after, it is tried again in ${intervalMs / 1000} s: ${(error as Error).message}`);
    }
  }
}
