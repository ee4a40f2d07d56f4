import { hostname, userInfo } from 'node:os';

/** Who changes lane groups, for Nacos's history: `--by`, or user and host. */
export function authorOf(given: string | undefined): string {
  if (given !== undefined && given !== '') return given;
  let user = 'unknown';
  try {
    user = userInfo().username;
  } catch {
    // a container's user without a name
  }
  return `${user}@${hostname()}`;
}
