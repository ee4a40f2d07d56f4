/** One address of a service in the registry. */
export interface Instance {
  readonly ip: string;
  readonly port: number;
  /** Share of the service's traffic, relative to the other instances; 0 takes none. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}
