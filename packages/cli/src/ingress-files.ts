/** Routes of Kubernetes manifests that were named on the command line. */
import type { GatewayRoute } from '@lane/gateway';
import { CliError } from './cli-error.js';
import { readManifests } from './manifest-files.js';

/** Reads the routes of an Ingress, tells on stderr what is wrong with it, and fails where none of them leads anywhere. */
export async function routesOfIngress(files: readonly string[], mend: boolean): Promise<readonly GatewayRoute[]> {
  const { ingressRoutes } = await import('@lane/gateway');
  const texts = (await Promise.all(files.map((path) => readManifests(path, undefined, '--ingress ')))).flat();
  const { routes, problems } = ingressRoutes(
    texts.map(({ file, text }) => ({ name: file, text })),
    { mend },
  );
  for (const { file, line, severity, message } of problems) console.error(`${file}:${line}: ${severity}: ${message}`);
  if (routes.every(({ problem }) => problem !== undefined))
    throw new CliError('no route of the Ingress leads anywhere: mend what is told above', 'ELANE_INGRESS');
  return routes;
}
