/** The header's second row, for stale data and finished actions. It has its own space, so it covers nothing. */
import { ActionIcon, Button, Group, Text } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCloudOff, IconX } from '@tabler/icons-react';
import { useEffect, useSyncExternalStore } from 'react';
import { useText } from '../language/index.js';
import { messageOf } from '../parts/failure.js';
import type { Freshness } from '../parts/freshness.js';
import { dismiss, notices, type Notice } from '../parts/say.js';

const DONE_MS = 6_000;
/** Time to read the notice, and to reach its button by keyboard. */
const UNDO_MS = 20_000;

/** The latest notice, until its time is over. */
export function useNotice(): Notice | undefined {
  const notice = useSyncExternalStore(notices.subscribe, notices.latest);
  useEffect(() => {
    if (notice === undefined || notice.kind === 'failed') return;
    const timer = setTimeout(() => dismiss(notice.id), notice.undo === undefined ? DONE_MS : UNDO_MS);
    return () => clearTimeout(timer);
  }, [notice]);
  return notice;
}

/** Warns that the data on the page is stale. */
export function StaleBanner({ freshness }: { readonly freshness: Freshness }) {
  const t = useText();
  const { since = 0, ageMs, problem } = freshness;
  return (
    <div className="notice" data-kind="stale" role="alert">
      <IconCloudOff size={18} aria-hidden />
      <Text size="sm" component="div" className="break">
        <strong>{t.stale.title(new Date(since).toLocaleTimeString(t.locale))}</strong> {/* Screen readers read this once, not every second. */}
        <span aria-hidden>{t.stale.age(Math.round(ageMs / 1_000))}</span> {problem !== undefined && messageOf(problem, t)}
      </Text>
    </div>
  );
}

/** The action that just finished or failed. */
export function NoticeBar({ notice }: { readonly notice: Notice }) {
  const t = useText();
  const Icon = notice.kind === 'done' ? IconCheck : IconAlertTriangle;
  const { undo } = notice;
  return (
    <div className="notice" data-kind={notice.kind} role={notice.kind === 'done' ? 'status' : 'alert'}>
      <Icon size={18} aria-hidden />
      <Text size="sm" component="div" className="break" flex={1}>
        {notice.title !== undefined && <strong>{notice.title}: </strong>}
        {notice.message}
      </Text>
      <Group gap={4} wrap="nowrap">
        {undo !== undefined && (
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => {
              dismiss(notice.id);
              undo.run();
            }}
          >
            {undo.label}
          </Button>
        )}
        <ActionIcon variant="subtle" c="inherit" aria-label={t.close} onClick={() => dismiss(notice.id)}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </Group>
    </div>
  );
}
