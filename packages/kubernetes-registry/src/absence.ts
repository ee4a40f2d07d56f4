/** Explains why a Service has no instances. */
import type { ServiceAccount } from './service-account.js';
import type { Absence } from './watched-service.js';

/** The account that asked. */
export interface Asker {
  readonly namespace: string;
  /** undefined if its token does not name it. */
  readonly account: ServiceAccount | undefined;
}

/** Names what is missing, a Service or a right, and how to grant the right. */
export function describeAbsence(
  absence: Absence,
  service: { readonly name: string; readonly namespace: string; readonly port: number | undefined },
  asker: Asker,
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
        `Kubernetes denies access to ${where}: the service account needs a role there with get of services, list and watch of endpointslices ` +
        `(discovery.k8s.io), and list and watch of pods. With the role of Lane's manifests: ${bindingCommand(service.namespace, asker)}`
      );
  }
}

/** Names of bindings may contain colons, as Kubernetes' own do, so that they never collide, neither with each other nor with the chart's. */
function bindingCommand(namespace: string, { namespace: own, account }: Asker): string {
  const command = (whose: string, subject: string): string =>
    `kubectl create rolebinding lane-registry:${whose} --namespace ${namespace} --clusterrole lane-registry ${subject}`;
  if (account !== undefined) {
    const { namespace: home, name } = account;
    return command(`${home}:${name}`, `--serviceaccount ${home}:${name}`);
  }
  return (
    `${command(own, `--group system:serviceaccounts:${own}`)} (this lets every pod of ${own} read there, for the name of its account is not known: ` +
    `better name the account, --serviceaccount ${own}:NAME)`
  );
}
