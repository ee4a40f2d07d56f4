import { Button, Group, JsonInput, Radio, SegmentedControl, Stack, Switch, Text, TextInput, Title } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { EntryRule, Lane } from '@lane/core/rules';
import { pathOf } from '../api/client.js';
import { groupsQuery, servicesQuery, useRefresh, useUser, type GroupAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { ConflictDialog } from '../parts/conflict-dialog.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge, LaneColors } from '../parts/lane-badge.js';
import { useLeaveGuard } from '../parts/leave-guard.js';
import { PageHead } from '../parts/page-head.js';
import { fieldId, ProblemsProvider, ProblemSummary, useProblem } from '../parts/problems.js';
import { sayDone } from '../parts/say.js';
import { useDraft } from '../parts/use-draft.js';
import { NEW_MATCHER } from '../rules/matcher-editor.js';
import { RuleEditor } from '../rules/rule-editor.js';

/** Creates a lane in a group, or edits an existing one. */
export function LaneFormPage({ groupName, laneName }: { readonly groupName: string; readonly laneName?: string }) {
  const t = useText();
  const isEditor = useUser()?.isEditor === true;
  const { data, error, refetch } = useQuery(groupsQuery);
  // Read once: changes that others publish must not overwrite the form.
  const [start, setStart] = useState<GroupAnswer>();
  const found = start ?? data?.groups.find(({ group }) => group.name === groupName);
  const lane = found?.group.lanes.find(({ name }) => name === laneName);
  if (!isEditor) return <PageHead title={laneName ?? groupName} lead={t.viewerOnly} />;
  if (found === undefined || (laneName !== undefined && lane === undefined)) {
    return (
      <>
        <PageHead title={laneName ?? groupName} />
        {error !== null ? <Failure error={error} retry={() => void refetch()} /> : <Text>{data === undefined ? t.loading : t.group.gone}</Text>}
      </>
    );
  }
  if (start === undefined) setStart(found);
  return <LaneForm of={found} lane={lane} />;
}

/** A new lane, with its fields in the order of the form. */
const NEW_LANE: Lane = { name: '', tag: '', enabled: true, fallback: 'base' };

function LaneForm({ of, lane }: { readonly of: GroupAnswer; readonly lane: Lane | undefined }) {
  const t = useText();
  const navigate = useNavigate();
  const refresh = useRefresh();
  const { group } = of;
  const isNew = lane === undefined;
  const [draft, setDraft] = useState<Lane>(lane ?? NEW_LANE);
  const [view, setView] = useState<'form' | 'json'>('form');
  const [json, setJson] = useState<{ readonly text: string; readonly isBroken: boolean }>();
  const { name, ...body } = draft;
  const form = useDraft(
    { path: pathOf('groups', group.name, 'lanes', name === '' ? ' ' : name), etag: lane === undefined ? 'none' : (of.laneEtags[lane.name] ?? '') },
    body,
  );
  const guard = useLeaveGuard(JSON.stringify(draft) !== JSON.stringify(lane ?? NEW_LANE));
  const goBack = (): void => void navigate({ to: '/groups/$group', params: { group: group.name } });

  const publish = async (etag?: string): Promise<void> => {
    if (json?.isBroken === true) return;
    if (!(await form.publish(etag))) return;
    guard.release();
    sayDone(t.saved);
    await refresh();
    goBack();
  };
  const rules = draft.rules ?? [];
  const setRules = (next: readonly EntryRule[]): void => {
    const { rules: _, ...rest } = draft;
    setDraft(next.length === 0 ? rest : { ...rest, rules: next });
  };

  return (
    <>
      <PageHead title={isNew ? t.laneForm.createTitle(group.name) : t.laneForm.editTitle(name)}>
        <SegmentedControl
          aria-label={`${t.laneForm.form} / ${t.laneForm.json}`}
          data={[
            { value: 'form', label: t.laneForm.form, disabled: json?.isBroken === true },
            { value: 'json', label: t.laneForm.json },
          ]}
          value={view}
          onChange={(next) => {
            setView(next as 'form' | 'json');
            setJson(next === 'json' ? { text: JSON.stringify(draft, null, 2), isBroken: false } : undefined);
          }}
        />
      </PageHead>
      <form
        noValidate
        onBlur={form.onBlur}
        onSubmit={(event) => {
          event.preventDefault();
          void publish();
        }}
      >
        <ProblemsProvider problems={form.problems} isTold={form.isTold}>
          {(form.isSubmitted || view === 'json') && <ProblemSummary title={t.laneForm.problems} problems={form.problems} links={view === 'form'} />}
          {form.failure !== undefined && <Failure error={form.failure} />}
          {view === 'json' ? (
            <div className="card json-input" style={{ padding: '1.25rem' }}>
              <JsonInput
                label={t.laneForm.json}
                description={t.laneForm.jsonHelp}
                value={json?.text ?? ''}
                onChange={(text) => {
                  const parsed = laneOf(text, lane?.name);
                  setJson({ text, isBroken: parsed === undefined });
                  if (parsed !== undefined) setDraft(parsed);
                }}
                error={json?.isBroken === true ? t.laneForm.jsonBroken : undefined}
                autosize
                minRows={14}
                spellCheck={false}
              />
            </div>
          ) : (
            <Stack gap="lg">
              <Stack gap="lg" className="card" p="lg">
                <TagChoice
                  group={of}
                  draft={draft}
                  ownTag={lane?.tag}
                  onChange={(tag) => setDraft({ ...draft, tag, ...(isNew && (name === '' || name === draft.tag) ? { name: tag } : {}) })}
                />
                {isNew && <NameField value={name} onChange={(next) => setDraft({ ...draft, name: next })} />}
                <Switch
                  label={t.laneForm.enabled}
                  description={t.laneForm.enabledHelp}
                  checked={draft.enabled !== false}
                  onChange={(event) => setDraft({ ...draft, enabled: event.currentTarget.checked })}
                />
                <FallbackChoice draft={draft} onChange={setDraft} />
              </Stack>
              <div>
                <Title order={2} id="rules-title">
                  {t.laneForm.rules}
                </Title>
                <Text c="dimmed" size="sm" mb="sm">
                  {group.entry === undefined ? t.laneForm.noEntry : t.laneForm.rulesHelp}
                </Text>
                <Stack role="group" aria-labelledby="rules-title">
                  {rules.map((rule, i) => (
                    <RuleEditor
                      key={i}
                      rule={rule}
                      index={i}
                      count={rules.length}
                      onChange={(changed) => setRules(rules.map((one, j) => (j === i ? changed : one)))}
                      onRemove={() => setRules(rules.filter((_, j) => j !== i))}
                      onMove={(by) => setRules(moved(rules, i, i + by))}
                    />
                  ))}
                  <div>
                    <Button
                      variant="default"
                      leftSection={<IconPlus size={17} aria-hidden />}
                      onClick={() => setRules([...rules, { name: freeName(rules), match: NEW_MATCHER }])}
                    >
                      {t.laneForm.addRule}
                    </Button>
                  </div>
                </Stack>
              </div>
            </Stack>
          )}
          <Group justify="flex-end" mt="lg">
            <Button variant="default" onClick={goBack}>
              {t.cancel}
            </Button>
            <Button type="submit" loading={form.isBusy}>
              {isNew ? t.laneForm.create : t.save}
            </Button>
          </Group>
        </ProblemsProvider>
      </form>
      {guard.dialog}
      <ConflictDialog
        conflict={form.conflict}
        mine={JSON.stringify(draft, null, 2)}
        theirs={form.conflict?.current === undefined ? '' : JSON.stringify(form.conflict.current, null, 2)}
        isBusy={form.isBusy}
        onOverwrite={() => void publish(form.conflict?.etag ?? 'none')}
        onTake={() => {
          setDraft(form.conflict?.current as Lane);
          form.dismissConflict();
        }}
        onKeep={form.dismissConflict}
      />
    </>
  );
}

function laneOf(text: string, name: string | undefined): Lane | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    // The name is part of the lane's URL, so it can't change.
    return { ...(value as Lane), name: name ?? String((value as Partial<Lane>).name ?? '') };
  } catch {
    return undefined;
  }
}

function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const next = [...items];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

function freeName(rules: readonly EntryRule[]): string {
  for (let i = rules.length + 1; ; i++) if (!rules.some(({ name }) => name === `rule-${i}`)) return `rule-${i}`;
}

function TagChoice(props: { readonly group: GroupAnswer; readonly draft: Lane; readonly ownTag: string | undefined; onChange(tag: string): void }) {
  const t = useText();
  const { group, draft, ownTag, onChange } = props;
  const error = useProblem('/tag');
  const { data } = useQuery(servicesQuery);
  const found = useMemo(() => tagsOf(group, data?.services ?? []), [group, data]);
  const taken = new Map(group.group.lanes.filter(({ tag }) => tag !== ownTag).map(({ name, tag }) => [tag, name]));
  const [wantsOther, setWantsOther] = useState(false);
  // A lane's tag may be one that no instance carries.
  const other = data !== undefined && (wantsOther || found.length === 0 || (draft.tag !== '' && !found.some(({ tag }) => tag === draft.tag)));
  return (
    <Radio.Group
      {...(other ? {} : { id: fieldId('/tag') })}
      data-path="/tag"
      label={t.laneForm.tag}
      description={data !== undefined && found.length === 0 ? t.laneForm.noTags : t.laneForm.tagHelp}
      error={other ? undefined : error}
      required
      value={other ? '\0' : draft.tag}
      onChange={(value) => {
        setWantsOther(value === '\0');
        onChange(value === '\0' ? '' : value);
      }}
    >
      <Stack gap={8} mt="xs" mb={error === undefined ? 0 : 6}>
        <LaneColors tags={found.map(({ tag }) => tag)}>
          {found.map(({ tag, services }) => (
            <label key={tag} className="choice">
              <Radio value={tag} disabled={taken.has(tag)} mt={2} aria-label={tag} />
              <span style={{ flex: 1, minWidth: 0 }}>
                <LaneBadge tag={tag} />
                <Text component="span" size="sm" c="dimmed" display="block" mt={4} className="break">
                  {taken.has(tag) ? `${t.laneForm.taken}: ${taken.get(tag)}` : services.map(({ name, usable }) => `${name} ${usable}`).join(' · ')}
                </Text>
              </span>
            </label>
          ))}
        </LaneColors>
        {found.length > 0 && <Radio value={'\0'} label={t.laneForm.otherTag} mt={4} />}
        {other && (
          <TextInput
            id={fieldId('/tag')}
            aria-label={t.laneForm.otherTag}
            value={draft.tag}
            onChange={(event) => onChange(event.currentTarget.value)}
            error={error}
            maw={420}
            autoComplete="off"
            spellCheck={false}
          />
        )}
      </Stack>
    </Radio.Group>
  );
}

/** Tags that instances of the group's services carry. */
function tagsOf(
  { group }: GroupAnswer,
  services: ReadonlyArray<{ readonly name: string; readonly tags: ReadonlyArray<{ readonly tag: string; readonly usable: number }> }>,
): ReadonlyArray<{ readonly tag: string; readonly services: ReadonlyArray<{ readonly name: string; readonly usable: number }> }> {
  const found = new Map<string, Array<{ readonly name: string; readonly usable: number }>>();
  for (const { name, tags } of services) {
    if (!group.services.includes(name)) continue;
    for (const { tag, usable } of tags) found.set(tag, [...(found.get(tag) ?? []), { name, usable }]);
  }
  return [...found].map(([tag, of]) => ({ tag, services: of }));
}

function NameField({ value, onChange }: { readonly value: string; onChange(value: string): void }) {
  const t = useText();
  const error = useProblem('/name');
  return (
    <TextInput
      id={fieldId('/name')}
      data-path="/name"
      label={t.laneForm.name}
      description={t.laneForm.nameHelp}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      required
      maw={420}
      autoComplete="off"
    />
  );
}

function FallbackChoice({ draft, onChange }: { readonly draft: Lane; onChange(lane: Lane): void }) {
  const t = useText();
  const error = useProblem('/fallback');
  const { fallback, ...rest } = draft;
  return (
    <Radio.Group
      data-path="/fallback"
      label={t.laneForm.fallback}
      error={error}
      value={fallback ?? 'default'}
      onChange={(value) => onChange(value === 'default' ? rest : { ...rest, fallback: value as 'base' | 'none' })}
    >
      <Stack gap="xs" mt="xs">
        {(['base', 'none', 'default'] as const).map((one) => (
          <Radio key={one} value={one} label={t.laneForm.fallbacks[one]} />
        ))}
      </Stack>
    </Radio.Group>
  );
}
