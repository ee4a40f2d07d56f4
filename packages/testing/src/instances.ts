/** Instances, as a registry reports them. */
import type { Instance } from '@lane/core/model';

/** A usable instance: healthy, enabled, weight 1, of a lane if `tag` is given. `more` overrides fields. */
export function instanceAt<More extends Partial<Instance> = Record<never, never>>(port: number, tag?: string, more?: More): Instance & More {
  return {
    ip: '10.0.0.1',
    port,
    weight: 1,
    healthy: true,
    enabled: true,
    metadata: tag === undefined ? {} : { lane: tag },
    ...more,
  } as Instance & More;
}
