/** One address of a service in the registry. */
export interface Instance {
  readonly ip: string;
  readonly port: number;
  /** Share of the service's traffic, relative to the other instances; 0 takes none. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  /** It counts as unhealthy for nothing but that it refused connections: a lane that has nobody else, and no fallback, still asks it. */
  readonly refused?: boolean;
  /** It counts as unhealthy for nothing but that it answered server errors again and again; others of its lane serve meanwhile. */
  readonly ejected?: boolean;
  /** It was ejected, and gets few calls until it has answered one. */
  readonly probed?: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An instance as the registry has it: without what this process has found out by its own calls. */
export function asListed(instance: Instance): Instance {
  const { refused, ejected, probed, ...listed } = instance;
  return refused === true || ejected === true ? { ...listed, healthy: true } : probed === undefined ? instance : listed;
}
