import { Alert, Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { ApiError } from '../api/client.js';
import type { Text } from '../language/en.js';
import { useText } from '../language/index.js';

/** Shows a failed query or action, and why it failed. */
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
      <p style={{ margin: '0 0 0.6rem' }}>{messageOf(error, t)}</p>
      {retry !== undefined && (
        <Button size="xs" variant="default" onClick={retry}>
          {t.retry}
        </Button>
      )}
    </Alert>
  );
}

/** The message of an error to show, in the language of the pages. */
export function messageOf(error: unknown, t: Text): string {
  if (error instanceof ApiError && error.status === 0) return t.unreachable;
  return t.problem(error instanceof Error ? error.message : String(error));
}
