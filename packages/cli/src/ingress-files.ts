/** Routes from Kubernetes manifests named on the command line. */
import type { GatewayRoute } from '@lane/gateway';
import { CliError } from './cli-error.js';
import { readManifests } from './manifest-files.js';

/** Reads the routes of an Ingress, reports problems on stderr, and fails if no route is usable. */
export async function routesOfIngress(files: readonly string[], mend: boolean): Promise<readonly GatewayRoute[]> {
  const { ingressRoutes } = await import('@lane/gateway');
  const texts = (await Promise.all(files.map((path) => readManifests(path, undefined, '--ingress ')))).flat();
  const { routes, problems } = ingressRoutes(
    texts.map(({ file, text }) => ({ name: file, text })),
    { mend },
  );
  for (const { file, line, severity, message } of problems) console.error(`${file}:${line}: ${severity}: ${message}`);
  if (routes.every(({ problem }) => problem !== undefined))
    throw new CliError('no route of the Ingress can be used: fix the problems above', 'ELANE_INGRESS');
  return routes;
}
