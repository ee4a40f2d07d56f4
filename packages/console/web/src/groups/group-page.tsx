import { ActionIcon, Alert, Button, Group, Stack, Switch, Text, Title } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconInfoCircle, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useId, useState } from 'react';
import type { Lane } from '@lane/core/rules';
import { api, pathOf } from '../api/client.js';
import { groupsQuery, useRefresh, useUser, type GroupAnswer, type GroupsAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { Confirm } from '../parts/confirm.js';
import { Failure, messageOf } from '../parts/failure.js';
import { LaneBadge, LaneColors } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { sayDone, sayFailed } from '../parts/say.js';
import { ruleInWords } from '../rules/in-words.js';
import { Matrix } from './matrix.js';
import { reachOf } from './trouble.js';
import { TakingRules } from './taking-rules.js';

/** A lane group: what serves where, and its lanes. */
export function GroupPage({ name }: { readonly name: string }) {
  const t = useText();
  const { data, error, refetch } = useQuery(groupsQuery);
  const found = data?.groups.find(({ group }) => group.name === name);
  if (found !== undefined)
    return (
      <LaneColors tags={found.group.lanes.map(({ tag }) => tag)}>
        <GroupDetails {...found} statusProblem={data?.statusProblem} taking={data?.taking ?? []} />
      </LaneColors>
    );
  return (
    <>
      <PageHead title={name} />
      {error !== null ? (
        <Failure error={error} retry={() => void refetch()} />
      ) : data === undefined ? (
        <Text>{t.loading}</Text>
      ) : (
        <Text>{t.group.gone}</Text>
      )}
    </>
  );
}

interface GroupDetailsProps extends GroupAnswer, Pick<GroupsAnswer, 'taking'> {
  readonly statusProblem?: string | undefined;
}

function GroupDetails({ group, status, laneEtags, statusProblem, taking }: GroupDetailsProps) {
  const t = useText();
  const isEditor = useUser()?.isEditor === true;
  const navigate = useNavigate();
  const remove = useRemoval(() => void navigate({ to: '/' }));
  const unassigned = [...new Set(status?.services.flatMap(({ otherTags }) => otherTags.map(({ tag }) => tag)))];
  const createLane = (label: string) => (
    <Button
      leftSection={<IconPlus size={18} aria-hidden />}
      renderRoot={(props) => <Link to="/groups/$group/new-lane" params={{ group: group.name }} {...props} />}
    >
      {label}
    </Button>
  );
  return (
    <>
      <PageHead title={group.name} lead={group.entry === undefined ? t.groups.noEntry : `${t.groups.enters} ${group.entry.services.join(', ')}`}>
        {isEditor && (
          <>
            <Button
              variant="default"
              leftSection={<IconPencil size={17} aria-hidden />}
              renderRoot={(props) => <Link to="/groups/$group/edit" params={{ group: group.name }} {...props} />}
            >
              {t.edit}
            </Button>
            <Button variant="default" leftSection={<IconTrash size={17} aria-hidden />} onClick={remove.ask}>
              {t.delete}
            </Button>
          </>
        )}
      </PageHead>
      <TakingRules taking={taking} group={group.name} />

      <section className="card" style={{ marginBottom: '1.5rem' }} aria-labelledby="matrix">
        <div style={{ padding: '1.1rem 1.25rem 0.9rem' }}>
          <Title order={2} id="matrix">
            {t.group.matrix}
          </Title>
          <Text size="sm" c="dimmed">
            {t.group.matrixLead}
          </Text>
        </div>
        {status === undefined ? statusProblem !== undefined && <Text p="md">{t.problem(statusProblem)}</Text> : <Matrix status={status} />}
      </section>

      {unassigned.length > 0 && (
        <Alert
          variant="outline"
          color="lane"
          icon={<IconInfoCircle aria-hidden />}
          title={t.group.unassigned}
          mb="lg"
          bg="var(--surface)"
          styles={{ title: { color: 'var(--mantine-color-anchor)' } }}
        >
          {t.group.unassignedLead(unassigned.join(', '))}
        </Alert>
      )}

      <Group justify="space-between" mb="sm">
        <Title order={2}>{t.group.lanes}</Title>
        {isEditor && group.lanes.length > 0 && createLane(t.group.createLane)}
      </Group>
      {group.lanes.length === 0 && (
        <Stack className="card" align="center" p="xl" gap="sm" ta="center">
          <Title order={3}>{t.groups.noLanes}</Title>
          <Text c="dimmed">{t.group.noLanesLead}</Text>
          {isEditor && createLane(t.group.createFirst)}
        </Stack>
      )}
      <Stack component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
        {group.lanes.map((lane) => (
          <li key={lane.name} id={`lane-${encodeURIComponent(lane.name)}`} className="lane-anchor">
            <LaneCard
              group={group.name}
              lane={lane}
              etag={laneEtags[lane.name] ?? ''}
              isEditor={isEditor}
              reach={status && reachOf(status, lane.name)}
              isFolded={group.lanes.length > SHOWN_OPEN}
            />
          </li>
        ))}
      </Stack>
      <Confirm
        opened={remove.isAsked}
        question={t.group.deleteGroupQuestion(group.name)}
        lead={t.group.deleteLead}
        action={t.delete}
        danger
        busy={remove.isBusy}
        onClose={remove.dismiss}
        onConfirm={() => void remove.go(pathOf('groups', group.name), group.name)}
      />
    </>
  );
}

/** With more lanes than this, they are folded. */
const SHOWN_OPEN = 4;

function LaneCard({
  group,
  lane,
  isEditor,
  etag,
  reach,
  isFolded,
}: {
  readonly group: string;
  readonly lane: Lane;
  readonly isEditor: boolean;
  readonly etag: string;
  /** What the lane serves now; undefined: the registry does not answer. */
  readonly reach: { readonly services: number; readonly instances: number } | undefined;
  readonly isFolded: boolean;
}) {
  const t = useText();
  const refresh = useRefresh();
  const remove = useRemoval();
  const [isSwitching, setSwitching] = useState(false);
  const [isAskedOff, setAskedOff] = useState(false);
  const [isOpen, setOpen] = useState(!isFolded);
  const facts = useId();
  const isEnabled = lane.enabled !== false;
  const path = pathOf('groups', group, 'lanes', lane.name);

  const toggle = async (enabled: boolean): Promise<void> => {
    setSwitching(true);
    try {
      await api(`${path}/enabled`, { method: 'PUT', body: { enabled } });
      sayDone(enabled ? t.group.switchedOn(lane.name) : t.group.switchedOff(lane.name), {
        label: t.undo,
        run: () => void toggle(!enabled),
      });
    } catch (error) {
      sayFailed(t.failed, messageOf(error, t));
    }
    await refresh();
    setSwitching(false);
    setAskedOff(false);
  };

  return (
    <article className="card" style={{ padding: '1.1rem 1.25rem' }} aria-label={lane.name}>
      <Group justify="space-between" gap="sm">
        <Group gap="sm" style={{ minWidth: 0 }}>
          {isFolded && (
            <ActionIcon
              variant="subtle"
              c="var(--mantine-color-text)"
              aria-label={t.group.details(lane.name)}
              aria-expanded={isOpen}
              aria-controls={facts}
              onClick={() => setOpen(!isOpen)}
            >
              {isOpen ? <IconChevronDown size={18} aria-hidden /> : <IconChevronRight size={18} aria-hidden />}
            </ActionIcon>
          )}
          <Title order={3} className="break">
            {lane.name}
          </Title>
          <LaneBadge tag={lane.tag} off={!isEnabled} />
        </Group>
        <Group gap="sm">
          {isEditor ? (
            <Switch
              checked={isEnabled}
              disabled={isSwitching}
              onChange={(event) => (event.currentTarget.checked ? void toggle(true) : setAskedOff(true))}
              aria-label={t.group.switchOf(lane.name)}
              label={<span aria-hidden>{isEnabled ? t.group.enabled : t.group.laneOff}</span>}
              labelPosition="left"
            />
          ) : (
            <Text size="sm">{isEnabled ? t.group.enabled : t.group.laneOff}</Text>
          )}
          {isEditor && (
            <>
              <ActionIcon
                variant="default"
                size="lg"
                aria-label={`${t.edit}: ${lane.name}`}
                renderRoot={(props) => <Link to="/groups/$group/lanes/$lane" params={{ group, lane: lane.name }} {...props} />}
              >
                <IconPencil size={18} aria-hidden />
              </ActionIcon>
              <ActionIcon variant="default" size="lg" aria-label={`${t.delete}: ${lane.name}`} onClick={remove.ask}>
                <IconTrash size={18} aria-hidden />
              </ActionIcon>
            </>
          )}
        </Group>
      </Group>
      <dl className="facts" id={facts} hidden={!isOpen}>
        <dt>{t.group.fallback}</dt>
        <dd>{t.group.fallbacks[lane.fallback ?? 'default']}</dd>
        <dt>{t.group.rules}</dt>
        <dd>
          {(lane.rules ?? []).length === 0 ? (
            t.group.noRules
          ) : (
            <ol style={{ margin: 0, paddingInlineStart: '1.1rem' }}>
              {lane.rules?.map((rule) => (
                <li key={rule.name} className="break">
                  <strong>{rule.name}</strong>: {ruleInWords(rule, t)}
                </li>
              ))}
            </ol>
          )}
        </dd>
      </dl>
      <Confirm
        opened={isAskedOff}
        question={t.group.offQuestion(lane.name)}
        lead={t.group.offLead(lane.tag, reach, lane.rules?.length ?? 0)}
        action={t.group.switchOff}
        danger
        busy={isSwitching}
        onClose={() => setAskedOff(false)}
        onConfirm={() => void toggle(false)}
      />
      <Confirm
        opened={remove.isAsked}
        question={t.group.deleteLaneQuestion(lane.name)}
        lead={t.group.deleteLead}
        action={t.delete}
        danger
        busy={remove.isBusy}
        onClose={remove.dismiss}
        onConfirm={() => void remove.go(path, lane.name, etag)}
      />
    </article>
  );
}

/** Deletes after confirmation. */
function useRemoval(onDone: () => void = () => {}) {
  const t = useText();
  const refresh = useRefresh();
  const [isAsked, setAsked] = useState(false);
  const [isBusy, setBusy] = useState(false);
  return {
    isAsked,
    isBusy,
    ask: () => setAsked(true),
    dismiss: () => setAsked(false),
    async go(path: string, name: string, etag?: string): Promise<void> {
      setBusy(true);
      try {
        await api(path, { method: 'DELETE', ifMatch: etag });
        sayDone(t.group.deleted(name));
        onDone();
      } catch (error) {
        sayFailed(t.failed, messageOf(error, t));
      }
      await refresh();
      setBusy(false);
      setAsked(false);
    },
  };
}
