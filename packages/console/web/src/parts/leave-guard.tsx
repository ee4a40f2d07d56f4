import { useBlocker } from '@tanstack/react-router';
import { useRef } from 'react';
import { Button, Group, Modal, Text } from '@mantine/core';
import { useText } from '../language/index.js';

/** Asks before leaving a page with unsaved changes; `release` turns that off. */
export function useLeaveGuard(isDirty: boolean) {
  const t = useText();
  const isReleased = useRef(false);
  const blocker = useBlocker({
    shouldBlockFn: () => isDirty && !isReleased.current,
    enableBeforeUnload: () => isDirty && !isReleased.current,
    withResolver: true,
  });
  const stay = (): void => blocker.reset?.();
  return {
    release: () => {
      isReleased.current = true;
    },
    dialog: (
      <Modal
        opened={blocker.status === 'blocked'}
        onClose={stay}
        title={
          <Text component="span" fw={650}>
            {t.leave}?
          </Text>
        }
        closeButtonProps={{ 'aria-label': t.close }}
      >
        <Text mb="lg">{t.unsaved}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={stay} data-autofocus>
            {t.stay}
          </Button>
          <Button color="red.9" onClick={() => blocker.proceed?.()}>
            {t.leave}
          </Button>
        </Group>
      </Modal>
    ),
  };
}
