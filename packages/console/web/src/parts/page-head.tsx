import { Group, Text, Title } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';
import { useText } from '../language/index.js';

/** The heading of a page, which is also its title in the browser. */
export function PageHead({ title, lead, children }: { readonly title: string; readonly lead?: ReactNode; readonly children?: ReactNode }) {
  const t = useText();
  useEffect(() => {
    document.title = `${title} · ${t.appName}`;
  }, [title, t]);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="md">
      <div style={{ flex: '1 1 18rem', minWidth: 0 }}>
        <Title order={1} tabIndex={-1} className="break">
          {title}
        </Title>
        {lead !== undefined && (
          <Text c="dimmed" mt={4} component="div">
            {lead}
          </Text>
        )}
      </div>
      {children !== undefined && <Group gap="sm">{children}</Group>}
    </Group>
  );
}
