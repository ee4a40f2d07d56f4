import { Alert, Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconPlus, IconRoute } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { groupsQuery, useUser, type GroupAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { TakingRules } from './taking-rules.js';
import { troubleIn } from './trouble.js';

/** All lane groups. */
export function GroupsPage() {
  const t = useText();
  const user = useUser();
  const { data, error, refetch } = useQuery(groupsQuery);
  const create = user?.isEditor === true && data?.problems.length === 0 && (
    <Button leftSection={<IconPlus size={18} aria-hidden />} renderRoot={(props) => <Link to="/new-group" {...props} />}>
      {t.groups.create}
    </Button>
  );
  return (
    <>
      <PageHead title={t.groups.title} lead={t.groups.lead}>
        {data !== undefined && data.groups.length > 0 && create}
      </PageHead>
      {user?.isEditor === false && (
        <Text c="dimmed" mb="md">
          {t.viewerOnly}
        </Text>
      )}
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Text>{t.loading}</Text>}
      {data !== undefined && data.problems.length > 0 && (
        <Alert color="red" variant="outline" icon={<IconAlertTriangle aria-hidden />} bg="var(--surface)" mb="md">
          {t.groups.invalid} <Link to="/document">{t.groups.mend}</Link>
        </Alert>
      )}
      {data !== undefined && <TakingRules taking={data.taking} />}
      {data?.groups.length === 0 && data.problems.length === 0 && (
        <Stack className="card" align="center" p="xl" py={64} gap="sm" ta="center">
          <IconRoute size={48} stroke={1.3} aria-hidden color="var(--mantine-color-dimmed)" />
          <Title order={2}>{t.groups.none}</Title>
          <Text c="dimmed" maw={460}>
            {t.groups.noneLead}
          </Text>
          {create}
        </Stack>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {data?.groups.map((one) => (
          <li key={one.group.name}>
            <GroupCard {...one} />
          </li>
        ))}
      </SimpleGrid>
    </>
  );
}

/** More names than this are only counted. */
const SHOWN_SERVICES = 6;
const SHOWN_LANES = 6;

function GroupCard({ group, status }: GroupAnswer) {
  const t = useText();
  const trouble = status === undefined ? 0 : troubleIn(status);
  return (
    <Link to="/groups/$group" params={{ group: group.name }} className="card group-card">
      <Group justify="space-between" mb={6} wrap="nowrap">
        <Text component="h2" fw={650} size="lg" m={0} className="break">
          {group.name}
        </Text>
        <Text size="sm" c="dimmed" style={{ flex: 'none' }}>
          {t.groups.services(group.services.length)}
        </Text>
      </Group>
      <Text size="sm" c="dimmed" className="break" mb="sm">
        {group.services.slice(0, SHOWN_SERVICES).join(' · ')}
        {group.services.length > SHOWN_SERVICES && ` · ${t.more(group.services.length - SHOWN_SERVICES)}`}
      </Text>
      <Group gap={6}>
        {group.lanes.length === 0 && (
          <Text size="sm" c="dimmed">
            {t.groups.noLanes}
          </Text>
        )}
        {group.lanes.slice(0, SHOWN_LANES).map(({ name, tag, enabled }) => (
          <LaneBadge key={name} tag={tag} name={enabled === false ? `${name} · ${t.group.laneOff}` : name} off={enabled === false} />
        ))}
        {group.lanes.length > SHOWN_LANES && (
          <Text size="sm" c="dimmed">
            {t.more(group.lanes.length - SHOWN_LANES)}
          </Text>
        )}
      </Group>
      {trouble > 0 && (
        <Text size="sm" mt="sm" c="var(--bad)">
          <IconAlertTriangle size={15} aria-hidden style={{ verticalAlign: '-2px' }} /> {t.groups.trouble(trouble)}
        </Text>
      )}
    </Link>
  );
}
