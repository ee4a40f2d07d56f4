/** What went wrong at the API server, with what to do about it. */
export class KubernetesError extends Error {
  readonly code = 'ELANE_KUBERNETES';
  /** HTTP status; 0: no answer. */
  readonly status: number;

  constructor(message: string, status: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KubernetesError';
    this.status = status;
  }

  /** The server refused. */
  static ofAnswer(server: string, call: { readonly method?: string; readonly path: string }, status: number, body: unknown): KubernetesError {
    const said = (body as { message?: string } | null)?.message ?? '';
    const remedy = status === 401 || status === 403 ? ": grant the service account the role in Lane's manifests" : '';
    return new KubernetesError(
      `Kubernetes at ${server} answered ${call.method ?? 'GET'} ${call.path} with ${status}${said === '' ? '' : `: ${said}`}${remedy}`,
      status,
    );
  }

  /** There was no answer. */
  static ofOutage(server: string, error: Error): KubernetesError {
    return new KubernetesError(`Kubernetes at ${server} can't be reached: ${error.message}`, 0, error);
  }
}
