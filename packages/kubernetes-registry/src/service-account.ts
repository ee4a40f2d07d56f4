/** A Kubernetes service account: a pod's identity for the API server. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

/** Names of namespaces (RFC 1123 labels) and of service accounts (RFC 1123 subdomains). */
const SUBJECT = /^system:serviceaccount:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)$/;

/**
 * Reads a token's account from its claim `sub` (RFC 7519; `system:serviceaccount:<namespace>:<name>`, Kubernetes: Authenticating). For messages
 * only: the token is not verified. undefined if it is not a service account's token.
 */
export function serviceAccountOf(token: string | undefined): ServiceAccount | undefined {
  const payload = token?.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { sub?: unknown } | null;
    const match = typeof claims?.sub === 'string' ? SUBJECT.exec(claims.sub) : null;
    return match === null ? undefined : { namespace: match[1] as string, name: match[2] as string };
  } catch {
    return undefined;
  }
}
