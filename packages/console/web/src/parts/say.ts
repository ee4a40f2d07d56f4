/** Notices of finished actions: one at a time, in the header, where it covers nothing (shell/notice-bar.tsx). */

/** A notice. */
export interface Notice {
  readonly id: number;
  readonly kind: 'done' | 'failed';
  readonly title?: string;
  readonly message: string;
  /** Undoes the action. */
  readonly undo?: { readonly label: string; run(): void };
}

let latest: Notice | undefined;
let count = 0;
const listeners = new Set<() => void>();

function tell(notice: Omit<Notice, 'id'> | undefined): void {
  latest = notice === undefined ? undefined : { ...notice, id: ++count };
  for (const listener of listeners) listener();
}

/** Reports a finished action. With `undo`, the notice stays longer. */
export function sayDone(message: string, undo?: Notice['undo']): void {
  tell({ kind: 'done', message, ...(undo === undefined ? {} : { undo }) });
}

/** Reports a failed action. The notice stays until closed. */
export function sayFailed(title: string, message: string): void {
  tell({ kind: 'failed', title, message });
}

/** Removes a notice if it is still the latest. */
export function dismiss(id: number): void {
  if (latest?.id === id) tell(undefined);
}

/** For useSyncExternalStore. */
export const notices = {
  subscribe(listener: () => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  latest: (): Notice | undefined => latest,
};
