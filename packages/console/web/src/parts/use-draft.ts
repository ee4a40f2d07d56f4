/** A draft: the console checks it as it changes, and publishes it only if its base is still current. */
import type { Problem } from '@lane/core/rules';
import { useDebouncedCallback } from '@mantine/hooks';
import { useCallback, useEffect, useRef, useState, type FocusEvent } from 'react';
import { api, ApiError } from '../api/client.js';

/** The state that somebody else has published in the meantime. */
export interface Conflict {
  readonly current: unknown;
  readonly etag: string | undefined;
  readonly changedBy: string | undefined;
}

/** Where to send a draft. */
export interface DraftTarget {
  readonly path: string;
  readonly method?: 'PUT';
  /** ETag of what the draft is based on; `none` for a new one. */
  readonly etag: string;
}

const CHECK_AFTER_MS = 250;

/** Checks a draft as it changes, shows problems of fields that lost the focus, and publishes it. */
export function useDraft(target: DraftTarget | undefined, body: unknown) {
  const [problems, setProblems] = useState<readonly Problem[]>([]);
  const [told, setTold] = useState<ReadonlySet<string>>(new Set());
  const [isSubmitted, setSubmitted] = useState(false);
  const [conflict, setConflict] = useState<Conflict>();
  const [failure, setFailure] = useState<ApiError>();
  const [isBusy, setBusy] = useState(false);
  const latest = useRef(0);
  /** Fields that lost the focus. Their problems show only after the next check: showing them at once would move what is being clicked. */
  const left = useRef(new Set<string>());

  const check = useDebouncedCallback(async () => {
    if (target === undefined) return;
    const mine = ++latest.current;
    try {
      const { problems: found = [] } = await api<{ readonly problems?: readonly Problem[] }>(target.path, { method: 'PUT', body, dryRun: true });
      if (mine !== latest.current) return;
      setProblems(found);
      setTold((before) => (left.current.size === before.size ? before : new Set(left.current)));
    } catch (error) {
      // Publishing will report it.
      if (!(error instanceof ApiError)) throw error;
    }
  }, CHECK_AFTER_MS);
  const text = JSON.stringify(body);
  const path = target?.path;
  useEffect(() => {
    check();
  }, [text, path, check]);

  const publish = async (etag?: string): Promise<boolean> => {
    if (target === undefined) return false;
    latest.current++;
    setSubmitted(true);
    setFailure(undefined);
    setBusy(true);
    try {
      await api(target.path, { method: 'PUT', body, ifMatch: etag ?? target.etag });
      setProblems([]);
      setConflict(undefined);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === 'ELANE_CONFLICT') setConflict({ current: error.current, etag: error.etag, changedBy: error.changedBy });
      else if (error.problems.length > 0) setProblems(error.problems);
      else setFailure(error);
      return false;
    } finally {
      setBusy(false);
    }
  };

  const isTold = useCallback((at: string) => isSubmitted || told.has(at), [isSubmitted, told]);
  /** For the form: a field that lost the focus may show its problems. */
  const onBlur = (event: FocusEvent): void => {
    const field = (event.target as HTMLElement).closest<HTMLElement>('[data-path]')?.dataset['path'];
    if (field === undefined || left.current.has(field)) return;
    left.current.add(field);
    check();
  };
  return { problems, isSubmitted, isTold, onBlur, publish, isBusy, failure, conflict, dismissConflict: () => setConflict(undefined) };
}
