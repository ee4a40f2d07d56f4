/**
 * LANE_CONTEXT=cls: the tag is also set in the cls-hooked namespace `lane` (key `tag`), for apps that read it there.
 * The lane itself stays in AsyncLocalStorage; cls-hooked is the app's own copy, found from its working folder.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { aroundEntering } from '@lane/core/model';
import type { AgentLog } from './log.js';

interface ClsNamespace {
  run(work: () => void): void;
  set(key: string, value: unknown): void;
}
interface ClsHooked {
  getNamespace(name: string): ClsNamespace | undefined;
  createNamespace(name: string): ClsNamespace;
}

/** Mirrors each entered lane into cls-hooked. */
export function mirrorIntoCls(log: AgentLog): void {
  let cls: ClsHooked;
  try {
    cls = createRequire(join(process.cwd(), 'index.js'))('cls-hooked') as ClsHooked;
  } catch {
    log.error('LANE_CONTEXT=cls needs the package cls-hooked in the app: npm install cls-hooked. The app runs with LANE_CONTEXT=als.');
    return;
  }
  const namespace = cls.getNamespace('lane') ?? cls.createNamespace('lane');
  aroundEntering((context, enter) => {
    let result: unknown;
    namespace.run(() => {
      namespace.set('tag', context.tag);
      result = enter();
    });
    return result;
  });
}
