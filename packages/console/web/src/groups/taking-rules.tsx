import { Alert, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { GroupsAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';

const laneOf = (rule: string): string => rule.slice(0, rule.lastIndexOf('/'));

/** Rules that take requests of others, with the remedy. Without `group`, those of all groups. */
export function TakingRules({ taking, group }: { readonly taking: GroupsAnswer['taking']; readonly group?: string }) {
  const t = useText();
  const told = taking.filter(({ taker, robbed }) => group === undefined || [taker, robbed].some((rule) => rule.startsWith(`${group}/`)));
  if (told.length === 0) return null;
  return (
    <Alert color="yellow" variant="outline" icon={<IconAlertTriangle aria-hidden />} bg="var(--surface)" mb="md" title={t.groups.taking}>
      {told.map(({ taker, robbed, percent }) => (
        <Text key={robbed} size="sm" className="break">
          {t.groups.takes(taker, percent, robbed, laneOf(taker), laneOf(robbed))}
        </Text>
      ))}
    </Alert>
  );
}
