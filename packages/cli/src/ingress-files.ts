/** Routes of Kubernetes manifests that were named on the command line. */
import { readFileSync } from 'node:fs';
import type { GatewayRoute } from '@lane/gateway';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';

/** Reads the routes of an Ingress, tells on stderr what is wrong with it, and fails where none of them leads anywhere. */
export async function routesOfIngress(files: readonly string[], mend: boolean): Promise<readonly GatewayRoute[]> {
  const { ingressRoutes } = await import('@lane/gateway');
  const { routes, problems } = ingressRoutes(
    files.map((name) => ({ name, text: readManifest(name) })),
    { mend },
  );
  for (const { file, line, severity, message } of problems) console.error(`${file}:${line}: ${severity}: ${message}`);
  if (routes.every(({ problem }) => problem !== undefined))
    throw new CliError('no route of the Ingress leads anywhere: mend what is told above', 'ELANE_INGRESS');
  return routes;
}

function readManifest(name: string): string {
  try {
    return readFileSync(name, 'utf8');
  } catch (error) {
    throw new CliError(`--ingress ${name} can't be read: ${(error as Error).message}`, 'ELANE_USAGE', EXIT.usage);
  }
}
