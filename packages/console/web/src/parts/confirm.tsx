import { Button, Group, Modal, Text } from '@mantine/core';
import { useText } from '../language/index.js';

/** Asks before an action that is hard to undo. */
export function Confirm(props: {
  readonly opened: boolean;
  readonly question: string;
  readonly lead: string;
  readonly action: string;
  readonly danger?: boolean;
  readonly busy?: boolean;
  onConfirm(): void;
  onClose(): void;
}) {
  const t = useText();
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={
        <Text component="span" fw={650}>
          {props.question}
        </Text>
      }
      closeButtonProps={{ 'aria-label': t.close }}
    >
      <Text c="dimmed" mb="lg">
        {props.lead}
      </Text>
      <Group justify="flex-end">
        <Button variant="default" onClick={props.onClose} data-autofocus>
          {t.cancel}
        </Button>
        <Button onClick={props.onConfirm} loading={props.busy ?? false} {...(props.danger === true ? { color: 'red.9' } : {})}>
          {props.action}
        </Button>
      </Group>
    </Modal>
  );
}
