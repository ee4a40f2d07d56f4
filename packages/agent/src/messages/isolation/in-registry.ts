import { isUsable, type Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';

/**
 * Whether the registry has a usable instance of this service in a lane. Base uses this to learn about a lane's consumers if the broker
 * can't be asked. Rejects if the registry does not know the service.
 */
export async function isInRegistry(tag: Tag, { tables, own, learner }: Pick<Messaging, 'tables' | 'own' | 'learner'>): Promise<boolean> {
  const { key } = own;
  if (tables.get(key) === undefined) await learner.learn(key);
  const table = tables.get(key);
  if (table === undefined) throw new Error(`the registry does not know of this service, ${key.name || 'which has no name'}: register it`);
  return table.instances.some((instance) => isUsable(instance) && table.index.tags.get(instance) === tag);
}
