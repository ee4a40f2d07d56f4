/** Why a Service has no instances, in words. */
import type { ServiceAccount } from './service-account.js';
import type { Absence } from './watched-service.js';

/** Who asked. */
export interface Asker {
  readonly namespace: string;
  /** undefined where its token does not tell. */
  readonly account: ServiceAccount | undefined;
}

/** Says what is not there, or what right is missing, and how to give it to who asked. */
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
        `Kubernetes refuses to tell of ${where}: the service account needs a role there with get of services, list and watch of endpointslices ` +
        `(discovery.k8s.io), and list and watch of pods. With the role of Lane's manifests: ${bindingCommand(service.namespace, asker)}`
      );
  }
}

/** Names of bindings may have colons, as those of Kubernetes itself do: so two accounts never have one name, nor is it the chart's. */
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
