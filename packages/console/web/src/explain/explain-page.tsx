import { Alert, Button, Collapse, Group, Select, Stack, Text, Textarea, TextInput, Title } from '@mantine/core';
import { IconArrowDown, IconCheck, IconChevronDown, IconMinus, IconX } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { RuleTrial } from '@lane/core/rules';
import { api } from '../api/client.js';
import { groupsQuery, type ExplanationAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import type { Text as Messages } from '../language/en.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge, LaneColors } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { Hop } from './hop.js';
import { matcherInWords } from '../rules/in-words.js';

interface Asked {
  readonly group: string | null;
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly headers: string;
  readonly clientIp: string;
  readonly tag: string;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

/** Why a request goes where it goes. */
export function ExplainPage() {
  const t = useText();
  const { data, error } = useQuery(groupsQuery);
  const names = data?.groups.map(({ group }) => group.name) ?? [];
  const [asked, setAsked] = useState<Asked>({ group: null, host: '', path: '/', method: 'GET', headers: '', clientIp: '', tag: '' });
  const [hasMore, setMore] = useState(false);
  const group = asked.group ?? names[0] ?? null;
  const explain = useMutation({ mutationFn: () => api<ExplanationAnswer>('/explanations', { method: 'POST', body: requestOf(asked, group ?? '') }) });
  const change = (part: Partial<Asked>): void => setAsked({ ...asked, ...part });
  const result = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (explain.data !== undefined) result.current?.focus();
  }, [explain.data]);

  return (
    <>
      <PageHead title={t.explain.title} lead={t.explain.lead} />
      {error !== null && <Failure error={error} />}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          explain.mutate();
        }}
      >
        <Stack className="card" p="lg" gap="md">
          <Group align="flex-start" gap="md">
            <Select
              label={t.explain.group}
              data={names}
              value={group}
              onChange={(value) => change({ group: value })}
              allowDeselect={false}
              style={{ flex: '1 1 11rem' }}
            />
            <Select
              label={t.explain.method}
              data={METHODS}
              value={asked.method}
              onChange={(value) => change({ method: value ?? 'GET' })}
              allowDeselect={false}
              w={120}
            />
            <TextInput
              label={t.explain.host}
              placeholder="www.example.com"
              value={asked.host}
              onChange={(event) => change({ host: event.currentTarget.value })}
              style={{ flex: '2 1 14rem' }}
              autoComplete="off"
            />
            <TextInput
              label={t.explain.path}
              value={asked.path}
              onChange={(event) => change({ path: event.currentTarget.value })}
              style={{ flex: '2 1 14rem' }}
              autoComplete="off"
            />
          </Group>
          <div>
            <Button
              variant="subtle"
              size="compact-sm"
              c="var(--mantine-color-anchor)"
              onClick={() => setMore(!hasMore)}
              aria-expanded={hasMore}
              aria-controls="more"
              rightSection={<IconChevronDown size={16} aria-hidden style={hasMore ? { transform: 'rotate(180deg)' } : {}} />}
            >
              {t.explain.more}
            </Button>
          </div>
          <Collapse expanded={hasMore} id="more">
            <Group align="flex-start" gap="md">
              <Textarea
                label={t.explain.headers}
                description={t.explain.headersHelp}
                value={asked.headers}
                onChange={(event) => change({ headers: event.currentTarget.value })}
                autosize
                minRows={3}
                style={{ flex: '2 1 18rem' }}
                spellCheck={false}
              />
              <Stack style={{ flex: '1 1 14rem' }}>
                <TextInput
                  label={t.explain.clientIp}
                  value={asked.clientIp}
                  onChange={(event) => change({ clientIp: event.currentTarget.value })}
                  autoComplete="off"
                />
                <TextInput
                  label={t.explain.tag}
                  description={t.explain.tagHelp}
                  value={asked.tag}
                  onChange={(event) => change({ tag: event.currentTarget.value })}
                  autoComplete="off"
                />
              </Stack>
            </Group>
          </Collapse>
          <Group justify="flex-end">
            <Button type="submit" loading={explain.isPending} disabled={group === null}>
              {t.explain.action}
            </Button>
          </Group>
        </Stack>
      </form>
      {explain.error !== null && <Failure error={explain.error} />}
      {explain.data !== undefined && (
        <section aria-labelledby="result" style={{ marginTop: '1.75rem' }}>
          <Title order={2} id="result" tabIndex={-1} ref={result} mb="sm" style={{ outline: 'none' }}>
            {t.explain.result}
          </Title>
          <LaneColors tags={tagsOf(explain.data)}>
            <Outcome explanation={explain.data} />
          </LaneColors>
        </section>
      )}
    </>
  );
}

function requestOf(asked: Asked, group: string): Record<string, unknown> {
  const headers = Object.fromEntries(
    asked.headers
      .split('\n')
      .map((line) => line.split(':'))
      .filter(([name, ...value]) => name !== undefined && name.trim() !== '' && value.length > 0)
      .map(([name = '', ...value]) => [name.trim().toLowerCase(), value.join(':').trim()]),
  );
  return {
    group,
    host: asked.host.trim(),
    path: asked.path.startsWith('/') ? asked.path : `/${asked.path}`,
    method: asked.method,
    headers,
    ...(asked.clientIp.trim() === '' ? {} : { clientIp: asked.clientIp.trim() }),
    ...(asked.tag.trim() === '' ? {} : { tag: asked.tag.trim() }),
  };
}

function tagsOf({ entry, tag, hops }: ExplanationAnswer): string[] {
  const trials = entry?.trials.map((trial) => trial.tag) ?? [];
  const instances = hops.flatMap((hop) => hop.instances.map((one) => one.tag));
  return [tag, ...trials, ...instances].filter((one) => one !== undefined);
}

function Outcome({ explanation }: { readonly explanation: ExplanationAnswer }) {
  const t = useText();
  const { entry, tag, hops, isDisabled } = explanation;
  const title =
    entry?.match !== undefined
      ? t.explain.entersLane(entry.match.lane, entry.match.rule)
      : tag !== undefined
        ? t.explain.carriesTag(tag)
        : entry === undefined
          ? t.explain.noEntry
          : t.explain.isBase;
  return (
    <Stack gap="lg">
      <Group className="card" p="lg" gap="sm">
        <LaneBadge tag={tag} />
        <Text fw={600}>{title}</Text>
      </Group>
      {isDisabled && tag !== undefined && (
        <Alert color="yellow" variant="outline" bg="var(--surface)">
          {t.explain.disabled(tag)}
        </Alert>
      )}
      {entry !== undefined && entry.trials.length > 0 && (
        <div className="card">
          <Title order={3} p="1rem 1.1rem 0.6rem">
            {t.explain.rules}
          </Title>
          <ol style={{ listStyle: 'none', margin: 0, padding: 0 }}>
            {entry.trials.map((trial) => (
              <Trial key={`${trial.group} ${trial.lane} ${trial.rule}`} trial={trial} />
            ))}
          </ol>
        </div>
      )}
      <div>
        <Title order={3} mb="sm">
          {t.explain.hops}
        </Title>
        <Stack gap={4} component="ol" p={0} m={0} style={{ listStyle: 'none' }}>
          {hops.map((hop, i) => (
            <li key={hop.service}>
              {i > 0 && (
                <div style={{ textAlign: 'center', color: 'var(--mantine-color-dimmed)', lineHeight: 0, padding: '4px 0' }} aria-hidden>
                  <IconArrowDown size={20} />
                </div>
              )}
              <Hop hop={hop} />
            </li>
          ))}
        </Stack>
      </div>
    </Stack>
  );
}

function Trial({ trial }: { readonly trial: RuleTrial }) {
  const t = useText();
  const isMatch = trial.outcome === 'matched';
  const Icon = isMatch ? IconCheck : trial.outcome === 'not-reached' || trial.outcome === 'lane-disabled' ? IconMinus : IconX;
  return (
    <li style={{ display: 'flex', gap: '0.8rem', padding: '0.75rem 1.1rem', borderTop: '1px solid var(--line)' }}>
      <Icon size={20} aria-hidden style={{ flex: 'none', marginTop: 2 }} color={isMatch ? 'var(--ok)' : 'var(--mantine-color-dimmed)'} />
      <div style={{ minWidth: 0 }} className="break">
        <Group gap="xs">
          <strong>{trial.rule}</strong>
          <LaneBadge tag={trial.tag} name={trial.lane} off={trial.outcome === 'lane-disabled'} />
          <Text component="span" size="sm" c="dimmed">
            {t.explain.outcomes[trial.outcome] ?? trial.outcome}
          </Text>
        </Group>
        {trial.failed?.map(({ path, matcher, actual }) => (
          <Text key={path} size="sm" c="dimmed">
            {matcherInWords(matcher, t)} – {actual === undefined ? t.explain.hasNone : t.explain.has(actual)}
          </Text>
        ))}
        {trial.share !== undefined && (
          <Text size="sm" c="dimmed">
            {shareInWords(trial.share, t)}
          </Text>
        )}
      </div>
    </li>
  );
}

function shareInWords({ percent, value, position }: NonNullable<RuleTrial['share']>, t: Messages): string {
  return value === undefined || position === undefined ? t.explain.shareRandom(percent) : t.explain.share(percent, value, position);
}
