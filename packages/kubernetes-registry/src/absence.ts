/** Why a Service has no instances, in words. */
import type { Absence } from './watched-service.js';

/** Says what is not there, or what right is missing; `accountNamespace` is that of the account that asked. */
export function describeAbsence(
  absence: Absence,
  service: { readonly name: string; readonly namespace: string; readonly port: number | undefined },
  accountNamespace: string,
): string {
  const where = `Service ${service.name} of namespace ${service.namespace}`;
  switch (absence) {
    case 'no-service':
      return `there is no ${where}`;
    case 'no-port':
      return `${where} has no port ${service.port}`;
    case 'external-name':
      return `${where} is an ExternalName, which has no instances`;
    case 'forbidden':
      return (
        `Kubernetes refuses to tell of ${where}: the service account needs a role there with get of services, list and watch of endpointslices ` +
        `(discovery.k8s.io), and list and watch of pods. With the role of Lane's manifests: kubectl create rolebinding lane-registry ` +
        `--namespace ${service.namespace} --clusterrole lane-registry --group system:serviceaccounts:${accountNamespace}`
      );
  }
}
