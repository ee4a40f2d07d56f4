/** What a request is refused with; the body is worded as Nacos 2.2 words it. */
export class NacosApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'NacosApiError';
    this.status = status;
  }
}

/** A request that can't be understood. */
export function badRequest(message: string): NacosApiError {
  return new NacosApiError(400, message);
}
