/** What the parts of the agent know, for whoever asks at the admin port. */
import type { Problem } from '@lane/core/rules';

/** The lane groups in force, and what is wrong with the newest document where that was refused. */
export interface LaneGroupsState {
  readonly origin: 'store' | 'snapshot' | 'file' | null;
  readonly md5: string | null;
  readonly problems: readonly Problem[];
}

/** The agent's own connection to a registry. */
export interface RegistryState {
  readonly kind: 'nacos' | 'kubernetes';
  readonly server: string;
  readonly namespace: string;
  readonly transport: 'http' | 'grpc';
  /** Its servers. */
  readonly addresses: ReadonlyArray<{ readonly host: string; readonly port: number }>;
  reachable: boolean;
}

/** What instances that the app registers announce of the agent. */
export interface Announcement {
  /** Settles when it is known; undefined: it is. Never rejects. */
  readonly pending: Promise<void> | undefined;
  /** Metadata for an instance at this address. */
  metadataFor(ip: string): Readonly<Record<string, string>>;
}
