/** A refusal of a request; the body has the wording of Nacos 2.2. */
export class NacosApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'NacosApiError';
    this.status = status;
  }
}

/** A malformed request. */
export function badRequest(message: string): NacosApiError {
  return new NacosApiError(400, message);
}
