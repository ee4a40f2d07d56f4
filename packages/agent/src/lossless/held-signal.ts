/**
 * Holds SIGTERM back from the app while its instance is taken out of service, and then delivers it as Node would have.
 *
 * Node delivers a signal through `process.emit`, which it binds when the first listener for that signal is added. A signal without a listener ends
 * the process, so we add a listener at the start that only prevents this. We remove it before the app's listeners
 * run, so that code that counts listeners gets the same number as without us (signal-exit ends the process if its own is the only one). If the
 * app has none, the process signals itself again, and ends by the signal.
 */
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/**
 * Holds SIGTERM back until `work` has ended; if `work` returns undefined, there is nothing to wait for. A second SIGTERM ends the wait, and aborts
 * the work. The app gets later ones directly.
 */
export function holdSigterm(work: (signal: AbortSignal) => Promise<void> | undefined): void {
  let state: 'waiting' | 'holding' | 'over' = 'waiting';
  const impatience = new AbortController();
  const held: unknown[][] = [];
  let deliver: Emit = () => false;

  const letGo = (): void => {
    if (state === 'over') return;
    state = 'over';
    impatience.abort();
    process.removeListener('SIGTERM', ours);
    for (const args of held) {
      if (process.listenerCount('SIGTERM') > 0) Reflect.apply(deliver, process, args);
      else process.kill(process.pid, 'SIGTERM');
    }
  };
  const begin = safely('SIGTERM', (): Promise<void> | undefined => work(impatience.signal));

  const undo = wrap(process, 'emit', (original: Emit) => {
    deliver = original;
    return function emit(this: unknown, ...args: unknown[]): boolean {
      if (args[0] !== 'SIGTERM' || state === 'over') return Reflect.apply(original, this, args);
      held.push(args);
      if (state === 'holding') {
        letGo();
        return true;
      }
      state = 'holding';
      const working = begin();
      if (working === undefined) letGo();
      // In a separate turn: an error of the app's listeners must not become a rejection of ours.
      else void working.catch(() => {}).then(() => setImmediate(letGo));
      return true;
    };
  });
  // Otherwise our listener would swallow the signal.
  if (undo === undefined) return;
  // For earlier listeners, Node has bound the original `emit`.
  const earlier = process.rawListeners('SIGTERM') as Array<() => void>;
  for (const listener of earlier) process.removeListener('SIGTERM', listener);
  process.on('SIGTERM', ours);
  for (const listener of earlier) process.on('SIGTERM', listener);
  // An app that removes all listeners does not mean ours; if it adds none, the signal would end it at once.
  process.on('removeListener', (event, listener) => {
    if (listener === ours && event === 'SIGTERM' && state === 'waiting') process.on('SIGTERM', ours);
  });
}

function ours(): void {
  // It only has to exist.
}
