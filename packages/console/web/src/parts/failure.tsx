import { Alert, Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { ApiError } from '../api/client.js';
import { useText } from '../language/index.js';

/** What could not be loaded or done, and why. */
export function Failure({ error, retry }: { readonly error: Error; readonly retry?: (() => void) | undefined }) {
  const t = useText();
  return (
    <Alert
      color="red"
      variant="outline"
      role="alert"
      title={t.failed}
      icon={<IconAlertTriangle aria-hidden />}
      my="md"
      bg="var(--surface)"
      styles={{ title: { color: 'var(--mantine-color-error)' } }}
    >
      <p style={{ margin: '0 0 0.6rem' }}>{messageOf(error, t.unreachable)}</p>
      {retry !== undefined && (
        <Button size="xs" variant="default" onClick={retry}>
          {t.retry}
        </Button>
      )}
    </Alert>
  );
}

/** The message of an error, for people. */
export function messageOf(error: unknown, unreachable: string): string {
  if (error instanceof ApiError && error.status === 0) return unreachable;
  return error instanceof Error ? error.message : String(error);
}
