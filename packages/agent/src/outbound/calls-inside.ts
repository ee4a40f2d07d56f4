/**
 * Calls to internal instances, by the service's name or at a known address, bypass a forward proxy of the environment,
 * whatever NO_PROXY says. The proxy does not know the registry's names, and cannot keep a call in its lane.
 */
import { currentContext, type Router } from '@lane/core/model';
import { isInternalHost } from './propagation.js';

/**
 * Whether a call to this host stays inside. A service that is being learnt, or has no instance for the call, is inside: the proxy would get
 * the call under whatever name the service has. While it is not known whether there is such a service, its name decides.
 */
export function leadsInside(router: Router, host: string, port: number): boolean {
  if (router.isEmpty) return false;
  const { kind, service, instance } = router.judge(host, port, currentContext()?.tag, false);
  if (kind === 'unknown') return false;
  if (kind === 'redirect') return isInternalHost(instance.ip);
  return (kind !== 'as-is' && service !== undefined) || isInternalHost(host);
}
