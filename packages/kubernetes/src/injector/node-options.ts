/** NODE_OPTIONS of a container, with ours appended to what is there, wherever that comes from. */
import { APP_NODE_OPTIONS, REGISTER_FILE } from './names.js';
import type { Container, EnvironmentVariable } from '../pod.js';

const NODE_OPTIONS = 'NODE_OPTIONS';
const OURS = `--require ${REGISTER_FILE}`;

/** The variables with ours in force; the same list where it is already. */
export function withNodeOptions(env: readonly EnvironmentVariable[]): EnvironmentVariable[] {
  // Of several, the last one counts.
  const index = env.findLastIndex(({ name }) => name === NODE_OPTIONS);
  const present = env[index];
  if (present === undefined) return [...env, { name: NODE_OPTIONS, value: OURS }];
  if (present.valueFrom === undefined) {
    const { value = '' } = present;
    if (value.includes(REGISTER_FILE)) return [...env];
    return env.with(index, { ...present, value: value.trim() === '' ? OURS : `${value} ${OURS}` });
  }
  // A value from elsewhere is kept under another name, and expanded into ours by the kubelet, which knows variables that stand before.
  const kept: EnvironmentVariable = { ...present, name: APP_NODE_OPTIONS };
  const isOptional = Object.values(present.valueFrom).some((source) => source?.optional === true);
  // An optional one that is missing would stay "$(…)" in the text, which Node refuses: a first, empty one of that name is expanded then.
  const empty: EnvironmentVariable[] = isOptional ? [{ name: APP_NODE_OPTIONS, value: '' }] : [];
  return env.toSpliced(index, 1, ...empty, kept, { name: NODE_OPTIONS, value: `$(${APP_NODE_OPTIONS}) ${OURS}` });
}

/** What can't be seen from here and may be hidden by ours. */
export function nodeOptionsWarning({ name, env = [], envFrom = [] }: Container): string | undefined {
  if (envFrom.length === 0 || env.some((variable) => variable.name === NODE_OPTIONS && !(variable.value ?? '').startsWith(OURS))) return undefined;
  return `container ${name} takes variables by envFrom: a NODE_OPTIONS among them is hidden by the injected one; name it under env`;
}
