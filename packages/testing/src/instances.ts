/** Instances, as a registry tells of them. */
import type { Instance } from '@lane/core/model';

/** An instance that may be used: healthy, enabled, weight 1, of a lane if `tag` is given. `more` says what is different about it. */
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
