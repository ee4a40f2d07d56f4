import { Button, Checkbox, Group, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { LaneGroup } from '@lane/core/rules';
import { pathOf } from '../api/client.js';
import { groupsQuery, servicesQuery, useRefresh, type GroupAnswer, type ServiceAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { ConflictDialog } from '../parts/conflict-dialog.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge, LaneColors } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { fieldId, ProblemsProvider, ProblemSummary, useProblem } from '../parts/problems.js';
import { sayDone } from '../parts/say.js';
import { useDraft } from '../parts/use-draft.js';
import { useLeaveGuard } from '../parts/leave-guard.js';

interface Draft {
  readonly name: string;
  readonly services: readonly string[];
  readonly entries: readonly string[];
}

/** Creates a lane group, or edits an existing one. */
export function GroupFormPage({ name }: { readonly name?: string }) {
  const t = useText();
  const { data, error, refetch } = useQuery(groupsQuery);
  // Read once: changes that others publish must not overwrite the form.
  const [start, setStart] = useState<GroupAnswer>();
  if (name === undefined) return <GroupForm />;
  const found = start ?? data?.groups.find(({ group }) => group.name === name);
  if (found !== undefined) {
    if (start === undefined) setStart(found);
    return <GroupForm start={found} />;
  }
  return (
    <>
      <PageHead title={name} />
      {error !== null ? <Failure error={error} retry={() => void refetch()} /> : <Text>{data === undefined ? t.loading : t.group.gone}</Text>}
    </>
  );
}

function GroupForm({ start }: { readonly start?: GroupAnswer }) {
  const t = useText();
  const navigate = useNavigate();
  const refresh = useRefresh();
  const { data: known } = useQuery(servicesQuery);
  const { data: all } = useQuery(groupsQuery);
  const first = useMemo<Draft>(() => draftOf(start?.group), [start]);
  const [draft, setDraft] = useState<Draft>(first);
  const isNew = start === undefined;
  const body = { services: draft.services, ...(draft.entries.length === 0 ? {} : { entry: { services: draft.entries } }) };
  // An empty name has no URL: check with a space instead.
  const form = useDraft({ path: pathOf('groups', draft.name === '' ? ' ' : draft.name), etag: start?.etag ?? 'none' }, body);
  const guard = useLeaveGuard(JSON.stringify(draft) !== JSON.stringify(first));

  const publish = async (etag?: string): Promise<void> => {
    if (!(await form.publish(etag))) return;
    guard.release();
    sayDone(t.saved);
    await refresh();
    await navigate({ to: '/groups/$group', params: { group: draft.name } });
  };
  const change = (part: Partial<Draft>): void => setDraft({ ...draft, ...part });
  const knownNames = known?.services.map((service) => service.name) ?? [];

  return (
    <>
      <PageHead title={isNew ? t.groupForm.createTitle : t.groupForm.editTitle(draft.name)} />
      <form
        noValidate
        onBlur={form.onBlur}
        onSubmit={(event) => {
          event.preventDefault();
          void publish();
        }}
      >
        <ProblemsProvider problems={form.problems} isTold={form.isTold}>
          {form.isSubmitted && <ProblemSummary title={t.laneForm.problems} problems={form.problems} />}
          {form.failure !== undefined && <Failure error={form.failure} />}
          <Stack gap="lg" className="card" p="lg">
            {isNew && <NameField value={draft.name} onChange={(value) => change({ name: value })} />}
            <ServiceChoice
              known={known?.services}
              leftOut={known?.leftOut ?? 0}
              groupsOf={(service) =>
                all?.groups.filter(({ group }) => group.name !== draft.name && group.services.includes(service)).map(({ group }) => group.name) ?? []
              }
              chosen={draft.services}
              onChange={(services) => change({ services })}
            />
            <OtherServices
              chosen={draft.services.filter((service) => !knownNames.includes(service))}
              onChange={(others) => change({ services: [...draft.services.filter((service) => knownNames.includes(service)), ...others] })}
            />
            <EntryField draft={draft} onChange={(entries) => change({ entries })} />
          </Stack>
          <Group justify="flex-end" mt="lg">
            <Button variant="default" onClick={() => void navigate(isNew ? { to: '/' } : { to: '/groups/$group', params: { group: draft.name } })}>
              {t.cancel}
            </Button>
            <Button type="submit" loading={form.isBusy}>
              {isNew ? t.groupForm.create : t.save}
            </Button>
          </Group>
        </ProblemsProvider>
      </form>
      {guard.dialog}
      <ConflictDialog
        conflict={form.conflict}
        mine={JSON.stringify(body, null, 2)}
        theirs={form.conflict?.current === undefined ? '' : JSON.stringify(form.conflict.current, null, 2)}
        isBusy={form.isBusy}
        onOverwrite={() => void publish(form.conflict?.etag ?? 'none')}
        onTake={() => {
          const current = form.conflict?.current as Omit<LaneGroup, 'name' | 'lanes'>;
          setDraft(draftOf({ ...current, name: draft.name }));
          form.dismissConflict();
        }}
        onKeep={form.dismissConflict}
      />
    </>
  );
}

function draftOf(group: Pick<LaneGroup, 'name' | 'services' | 'entry'> | undefined): Draft {
  return { name: group?.name ?? '', services: group?.services ?? [], entries: group?.entry?.services ?? [] };
}

function NameField({ value, onChange }: { readonly value: string; onChange(value: string): void }) {
  const t = useText();
  const error = useProblem('/name');
  return (
    <TextInput
      id={fieldId('/name')}
      data-path="/name"
      label={t.groupForm.name}
      description={t.groupForm.nameHelp}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      required
      maw={420}
      autoComplete="off"
    />
  );
}

function ServiceChoice(props: {
  readonly known: readonly ServiceAnswer[] | undefined;
  readonly leftOut: number;
  readonly chosen: readonly string[];
  groupsOf(service: string): readonly string[];
  onChange(services: readonly string[]): void;
}) {
  const t = useText();
  const { known, chosen, groupsOf, onChange } = props;
  const [wanted, setWanted] = useState('');
  const error = useProblem('/services', true);
  const shown = known?.filter(({ name }) => name.toLowerCase().includes(wanted.trim().toLowerCase())) ?? [];
  return (
    <Checkbox.Group
      id={fieldId('/services')}
      data-path="/services"
      label={t.groupForm.services}
      description={known?.length === 0 ? t.groupForm.noneKnown : t.groupForm.servicesHelp}
      error={error}
      required
      value={[...chosen]}
      onChange={onChange}
    >
      {(known?.length ?? 0) > 8 && (
        <TextInput
          aria-label={t.groupForm.search}
          placeholder={t.groupForm.search}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
          mt="xs"
          maw={420}
        />
      )}
      <Stack gap={8} mt="xs" mb={error === undefined ? 0 : 6} style={{ maxHeight: 420, overflowY: 'auto', padding: 2 }}>
        <LaneColors tags={(known ?? []).flatMap(({ tags }) => tags.map(({ tag }) => tag))}>
          {shown.map(({ name, base, tags }) => (
            <label key={name} className="choice">
              <Checkbox value={name} mt={2} aria-label={name} />
              <span style={{ flex: 1, minWidth: 0 }}>
                <span style={{ display: 'block', fontWeight: 600 }} className="break">
                  {name}
                </span>
                <span style={{ display: 'flex', flexWrap: 'wrap', gap: 6, marginTop: 4 }}>
                  <LaneBadge tag={undefined} name={`${t.base} ${base.usable}`} />
                  {tags.map(({ tag, usable }) => (
                    <LaneBadge key={tag} tag={tag} name={`${tag} ${usable}`} />
                  ))}
                  {groupsOf(name).length > 0 && (
                    <Text component="span" size="sm" c="dimmed">
                      {t.groupForm.alsoIn} {groupsOf(name).join(', ')}
                    </Text>
                  )}
                </span>
              </span>
            </label>
          ))}
        </LaneColors>
        {known !== undefined && known.length > 0 && shown.length === 0 && <Text c="dimmed">{t.groupForm.noneFound}</Text>}
      </Stack>
    </Checkbox.Group>
  );
}

function OtherServices({ chosen, onChange }: { readonly chosen: readonly string[]; onChange(services: string[]): void }) {
  const t = useText();
  return (
    <TagsInput
      label={t.groupForm.others}
      description={t.groupForm.othersHelp}
      value={[...chosen]}
      onChange={onChange}
      maw={620}
      acceptValueOnBlur
      splitChars={[',', ' ']}
    />
  );
}

function EntryField({ draft, onChange }: { readonly draft: Draft; onChange(entries: string[]): void }) {
  const t = useText();
  const error = useProblem('/entry', true);
  return (
    <TagsInput
      id={fieldId('/entry/services')}
      data-path="/entry"
      label={t.groupForm.entry}
      description={t.groupForm.entryHelp}
      data={[...new Set([...draft.services, 'lane-gateway'])]}
      value={[...draft.entries]}
      onChange={onChange}
      error={error}
      maw={620}
      acceptValueOnBlur
      splitChars={[',', ' ']}
    />
  );
}
