/** One address of a service in the registry. */
export interface Instance {
  readonly ip: string;
  readonly port: number;
  /** Share of the service's traffic, relative to the other instances; 0 takes none. */
  readonly weight: number;
  readonly healthy: boolean;
  readonly enabled: boolean;
  /** Unhealthy only because it refused connections: a lane without other instances or fallback still tries it. */
  readonly refused?: boolean;
  /** Unhealthy only because it is ejected; others of its lane serve meanwhile. */
  readonly ejected?: boolean;
  /** On probation after an ejection: it gets few calls until it has answered one. */
  readonly probed?: boolean;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An instance as in the registry, without what this process has learnt from its own calls. */
export function asListed(instance: Instance): Instance {
  const { refused, ejected, probed, ...listed } = instance;
  return refused === true || ejected === true ? { ...listed, healthy: true } : probed === undefined ? instance : listed;
}
