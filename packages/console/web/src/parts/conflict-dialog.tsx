import { Button, Group, Modal, Text } from '@mantine/core';
import { useText } from '../language/index.js';
import { DiffView } from './diff-view.js';
import type { Conflict } from './use-draft.js';

/** Shows both versions after a conflicting change, and lets the user choose. */
export function ConflictDialog(props: {
  readonly conflict: Conflict | undefined;
  readonly mine: string;
  /** The current state, as text to compare. */
  readonly theirs: string;
  readonly isBusy: boolean;
  onOverwrite(): void;
  onTake(): void;
  onKeep(): void;
}) {
  const t = useText();
  const { conflict } = props;
  const isDeleted = conflict !== undefined && (conflict.current === undefined || conflict.current === null);
  return (
    <Modal
      opened={conflict !== undefined}
      onClose={props.onKeep}
      size="xl"
      title={
        <Text component="span" fw={650}>
          {t.conflict.title}
        </Text>
      }
      closeButtonProps={{ 'aria-label': t.close }}
    >
      <Text mb="md">{isDeleted ? t.conflict.deleted : t.conflict.lead(conflict?.changedBy)}</Text>
      <Text size="sm" c="dimmed" mb="xs">
        − {t.conflict.theirs} · + {t.conflict.mine}
      </Text>
      <DiffView before={props.theirs} after={props.mine} label={t.conflict.title} />
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={props.onKeep}>
          {t.conflict.keep}
        </Button>
        {!isDeleted && (
          <Button variant="default" onClick={props.onTake}>
            {t.conflict.take}
          </Button>
        )}
        <Button onClick={props.onOverwrite} loading={props.isBusy}>
          {t.conflict.overwrite}
        </Button>
      </Group>
    </Modal>
  );
}
