/** Client of the console's API. */
import type { Problem } from '@lane/core/rules';

/** An error response. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly problems: readonly Problem[];
  /** With ELANE_CONFLICT: the current state, its ETag, and who changed it. */
  readonly current: unknown;
  readonly etag: string | undefined;
  readonly changedBy: string | undefined;

  constructor(status: number, body: Partial<Pick<ApiError, 'code' | 'message' | 'problems' | 'current' | 'etag' | 'changedBy'>>) {
    super(body.message ?? `HTTP ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = body.code ?? 'ELANE_UNREACHABLE';
    this.problems = body.problems ?? [];
    this.current = body.current;
    this.etag = body.etag;
    this.changedBy = body.changedBy;
  }
}

/** The parts of a request. */
export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly body?: unknown;
  /** ETag of what the change is based on; `none`: nothing may have this name yet. */
  readonly ifMatch?: string | undefined;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** Sends a request to the API. Rejects with an ApiError. */
export async function api<T>(path: string, { method = 'GET', body, ifMatch, dryRun, signal }: ApiRequest = {}): Promise<T> {
  // Pages of other origins can't send this header.
  const headers: Record<string, string> = { 'x-lane-console': '1' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (ifMatch === 'none') headers['if-none-match'] = '*';
  else if (ifMatch !== undefined) headers['if-match'] = ifMatch;
  let response: Response;
  try {
    response = await fetch(`/api${path}${dryRun === true ? '?dryRun=true' : ''}`, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError(0, {});
  }
  const answer: unknown = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (!response.ok) throw new ApiError(response.status, (answer ?? {}) as Partial<ApiError>);
  return answer as T;
}

/** A path of parts that may contain any character. */
export function pathOf(...parts: readonly string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('');
}
