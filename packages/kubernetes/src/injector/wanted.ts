/** Whether to inject a pod, by its own labels and its namespace's. */
import { INJECT, MIRROR_ANNOTATION, MSE_INJECT_LABEL, MSE_NAMESPACE_LABEL, NAMESPACE_LABEL } from './names.js';
import type { Pod } from '../pod.js';

/** The answer; `silent`: the pod gets no annotation either. */
export type Wanted =
  | { readonly inject: true; readonly because: string }
  | { readonly inject: false; readonly because: string; readonly silent: boolean };

type Labels = Readonly<Record<string, string>>;

const ON = new Set(['true', 'enabled', 'on']);
const OFF = new Set(['false', 'disabled', 'off']);

/** The most specific one counts: the pod's own label, then MSE's, then the namespace's. */
export function isWanted(pod: Pod, namespaceLabels: Labels): Wanted {
  const { labels = {}, annotations = {} } = pod.metadata ?? {};
  if (annotations[MIRROR_ANNOTATION] !== undefined) return { inject: false, because: "a static pod can't be changed", silent: true };
  for (const [source, kind] of [
    [labels, 'label'],
    [annotations, 'annotation'],
  ] as const) {
    for (const name of [INJECT, MSE_INJECT_LABEL]) {
      const value = source[name];
      if (value === undefined) continue;
      if (OFF.has(value)) return { inject: false, because: `${kind} ${name}: ${value}`, silent: true };
      if (ON.has(value)) return onLinux(pod, `${kind} ${name}: ${value}`);
    }
  }
  for (const name of [NAMESPACE_LABEL, MSE_NAMESPACE_LABEL]) {
    const value = namespaceLabels[name];
    if (value !== undefined && OFF.has(value)) break;
    // The text does not name the label: the webhooks of both labels call us without saying which, and both must write the same status.
    if (value !== undefined && ON.has(value)) return onLinux(pod, 'its namespace asks for it');
  }
  return { inject: false, because: 'neither the pod nor its namespace asks for it', silent: true };
}

function onLinux({ spec }: Pod, because: string): Wanted {
  const system = spec.os?.name ?? spec.nodeSelector?.['kubernetes.io/os'];
  return system === 'windows' ? { inject: false, because: 'Windows', silent: false } : { inject: true, because };
}
