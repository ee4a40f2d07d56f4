/** NODE_OPTIONS of a container, with ours appended to the existing value, wherever that comes from. */
import { APP_NODE_OPTIONS, REGISTER_FILE } from './names.js';
import type { Container, EnvironmentVariable } from '../pod.js';

const NODE_OPTIONS = 'NODE_OPTIONS';
const OURS = `--require ${REGISTER_FILE}`;

/** The variables with ours in force; the same list if it already is. */
export function withNodeOptions(env: readonly EnvironmentVariable[]): EnvironmentVariable[] {
  // The last of several counts.
  const index = env.findLastIndex(({ name }) => name === NODE_OPTIONS);
  const present = env[index];
  if (present === undefined) return [...env, { name: NODE_OPTIONS, value: OURS }];
  if (present.valueFrom === undefined) {
    const { value = '' } = present;
    if (value.includes(REGISTER_FILE)) return [...env];
    return env.with(index, { ...present, value: value.trim() === '' ? OURS : `${value} ${OURS}` });
  }
  // A value from a source is kept under another name, and expanded into ours by the kubelet, which resolves earlier variables.
  const kept: EnvironmentVariable = { ...present, name: APP_NODE_OPTIONS };
  const isOptional = Object.values(present.valueFrom).some((source) => source?.optional === true);
  // An optional one that is missing would stay as "$(…)", which Node refuses; an empty one of that name before it is expanded instead.
  const empty: EnvironmentVariable[] = isOptional ? [{ name: APP_NODE_OPTIONS, value: '' }] : [];
  return env.toSpliced(index, 1, ...empty, kept, { name: NODE_OPTIONS, value: `$(${APP_NODE_OPTIONS}) ${OURS}` });
}

/** Sources that we can't see and that ours may hide. */
export function nodeOptionsWarning({ name, env = [], envFrom = [] }: Container): string | undefined {
  if (envFrom.length === 0 || env.some((variable) => variable.name === NODE_OPTIONS && !(variable.value ?? '').startsWith(OURS))) return undefined;
  return `container ${name} has envFrom: a NODE_OPTIONS from there is overridden by the injected one; set it under env`;
}
