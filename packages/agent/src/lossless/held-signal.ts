/**
 * SIGTERM, held back from the app while its instance is taken out of service, and then told to it as it would have been.
 *
 * Node delivers a signal by `process.emit`, which it binds as the first listener for that signal is added; a signal without listener ends the
 * process. Hence there is a listener of ours, from the start, which does nothing but keep the signal from that. Before the app's listeners
 * hear of it ours goes away, so that who counts listeners (signal-exit does, and ends the process itself where it is the only one) counts as
 * without us. Where the app has none the process signals itself again, and ends by the signal.
 */
import { safely } from '../patching/safely.js';
import { wrap } from '../patching/wrap.js';

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/**
 * Holds SIGTERM back until `work` has ended; undefined of it: there is nothing to wait for. A second SIGTERM ends the wait, and aborts the work.
 * Later ones are the app's alone.
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
      // In a turn of its own: what the app's listeners throw is no rejection of ours.
      else void working.catch(() => {}).then(() => setImmediate(letGo));
      return true;
    };
  });
  // Without it ours would keep the signal from everybody.
  if (undo === undefined) return;
  // Listeners that were here first have had Node bind the `emit` of before.
  const earlier = process.rawListeners('SIGTERM') as Array<() => void>;
  for (const listener of earlier) process.removeListener('SIGTERM', listener);
  process.on('SIGTERM', ours);
  for (const listener of earlier) process.on('SIGTERM', listener);
}

function ours(): void {
  // Only to be there.
}
