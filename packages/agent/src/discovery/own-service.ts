import type { ServiceKey } from '@lane/core/model';
import { packageNameOf } from '../boot/package-name.js';

/** This service: its name is the option, else the name it registers under, else that in its package.json, else empty. */
export class OwnService {
  readonly #groupOfRegistry: () => string;
  #name: string | undefined;
  #group: string | undefined;
  /** Read on demand: only entry rules need it. */
  #packageName: string | undefined;

  constructor(name: string | undefined, groupOfRegistry: () => string) {
    this.#name = name;
    this.#groupOfRegistry = groupOfRegistry;
  }

  get name(): string {
    return this.#name ?? (this.#packageName ??= packageNameOf() ?? '');
  }

  /** This service in the registry. */
  get key(): ServiceKey {
    return { name: this.name, group: this.#group ?? this.#groupOfRegistry() };
  }

  /** Takes the name under which the app registers; returns false if it has one already. */
  registeredAs(key: ServiceKey): boolean {
    this.#group = key.group;
    if (this.#name !== undefined) return false;
    this.#name = key.name;
    return true;
  }
}
