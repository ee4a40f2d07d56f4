import { isUsable, type Tag } from '@lane/core/model';
import type { Messaging } from '../messaging.js';

/**
 * Whether the registry has a usable instance of this very service in a lane: how base learns of a lane's consumers where the broker
 * can't be asked for them. Rejects where the registry does not know the service, as it then can't tell.
 */
export async function isInRegistry(tag: Tag, { tables, own, learner }: Pick<Messaging, 'tables' | 'own' | 'learner'>): Promise<boolean> {
  const { key } = own;
  if (tables.get(key) === undefined) await learner.learn(key);
  const table = tables.get(key);
  if (table === undefined) throw new Error(`the registry does not know of this service, ${key.name || 'which has no name'}: register it`);
  return table.instances.some((instance) => isUsable(instance) && table.index.tags.get(instance) === tag);
}
