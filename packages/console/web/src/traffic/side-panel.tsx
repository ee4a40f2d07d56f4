import { ActionIcon, Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { hopQuery, type Traffic } from '../api/queries.js';
import { Hop } from '../explain/hop.js';
import { useText } from '../language/index.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge } from '../parts/lane-badge.js';
import { nodeKey } from './layout.js';
import type { Chosen } from './traffic-graph.js';

type Edge = Traffic['edges'][number];

const SHOWN = 12;

interface SidePanelProps {
  readonly chosen: Chosen;
  readonly traffic: Traffic;
  onChoose(chosen: Chosen): void;
  onClose(): void;
}

/** Details of the selected node or call: figures, instances, calls, and latest decisions, each with a link to explain it. */
export function SidePanel({ chosen, traffic, onChoose, onClose }: SidePanelProps) {
  const t = useText();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const node = traffic.nodes.find((one) => nodeKey(one) === chosen.key);
  const edges = traffic.edges.filter((one) => edgeKey(one) === chosen.key);
  const [edge] = edges;
  const service = node?.service ?? edge?.to.service;
  const tag = node === undefined ? edge?.tag : node.tag;
  const decisions = traffic.decisions.filter((one) =>
    node === undefined
      ? edge !== undefined && one.service === edge.from.service && one.peer === edge.to.service && one.tag === edge.tag
      : (one.service === node.service && one.serviceTag === node.tag) || one.peer === node.service,
  );
  const counted = node === undefined ? edges : [node];
  const [p95Ms] = counted.map((one) => one.p95Ms);
  return (
    <aside className="side-panel" aria-labelledby="chosen" onKeyDown={({ key }) => key === 'Escape' && onClose()}>
      <Group justify="space-between" wrap="nowrap" align="flex-start" mb="xs">
        <Title order={3} id="chosen" tabIndex={-1} ref={heading} className="break" style={{ outline: 'none' }}>
          {node?.service ?? (edge === undefined ? t.traffic.noneShown : `${edge.from.service} → ${edge.to.service}`)}
        </Title>
        <ActionIcon variant="subtle" c="var(--mantine-color-text)" aria-label={t.close} onClick={onClose}>
          <IconX size={17} aria-hidden />
        </ActionIcon>
      </Group>
      <Stack gap="md">
        <Group gap="sm">
          <LaneBadge tag={tag} />
          <Text size="sm">
            {t.traffic.requests} {sum(counted, 'count').toLocaleString(t.locale)} · {t.traffic.errors}{' '}
            {sum(counted, 'errors').toLocaleString(t.locale)}
            {p95Ms !== undefined && ` · ${t.traffic.p95(p95Ms.toLocaleString(t.locale))}`}
          </Text>
        </Group>
        {service !== undefined && (
          <section aria-label={t.traffic.instances}>
            <Title order={4} size="sm" mb={4}>
              {t.traffic.instances}
            </Title>
            <HopOf service={service} tag={tag} />
          </section>
        )}
        {node !== undefined && (
          <>
            <CallList title={t.traffic.callsIn} edges={traffic.edges.filter(({ to }) => nodeKey(to) === chosen.key)} end="from" onChoose={onChoose} />
            <CallList
              title={t.traffic.callsOut}
              edges={traffic.edges.filter(({ from }) => nodeKey(from) === chosen.key)}
              end="to"
              onChoose={onChoose}
            />
          </>
        )}
        <section aria-label={t.traffic.decisions}>
          <Title order={4} size="sm" mb={4}>
            {t.traffic.decisions}
          </Title>
          {decisions.length === 0 && (
            <Text size="sm" c="dimmed">
              {t.traffic.noDecisions}
            </Text>
          )}
          <ul className="plain">
            {decisions.slice(0, SHOWN).map((one, i) => (
              <Decision key={`${one.at} ${i}`} one={one} />
            ))}
          </ul>
        </section>
      </Stack>
    </aside>
  );
}

function HopOf({ service, tag }: { readonly service: string; readonly tag: string | undefined }) {
  const t = useText();
  const { data, error } = useQuery(hopQuery(service, tag));
  if (error !== null) return <Failure error={error} />;
  if (data === undefined) return <Text size="sm">{t.loading}</Text>;
  return (
    <>
      {data.isDisabled && <Text size="sm">{t.explain.disabled(tag ?? '')}</Text>}
      <Hop hop={data.hop} />
      {data.leftOut > 0 && <Text size="sm">{t.more(data.leftOut)}</Text>}
    </>
  );
}

function CallList({
  title,
  edges,
  end,
  onChoose,
}: {
  readonly title: string;
  readonly edges: readonly Edge[];
  readonly end: 'from' | 'to';
  onChoose(chosen: Chosen): void;
}) {
  const t = useText();
  const ends = [...new Map(edges.map((edge) => [edgeKey(edge), edge])).entries()];
  if (ends.length === 0) return null;
  return (
    <section aria-label={title}>
      <Title order={4} size="sm" mb={4}>
        {title}
      </Title>
      <ul className="plain">
        {ends.slice(0, SHOWN).map(([key, edge]) => (
          <li key={key}>
            <Button size="compact-sm" variant="subtle" maw="100%" onClick={() => onChoose({ kind: 'edge', key })}>
              {edge[end].service}
            </Button>{' '}
            <LaneBadge tag={edge.tag} />
          </li>
        ))}
      </ul>
      {ends.length > SHOWN && <Text size="sm">{t.more(ends.length - SHOWN)}</Text>}
    </section>
  );
}

function Decision({ one }: { readonly one: Traffic['decisions'][number] }) {
  const t = useText();
  const [isOpen, setOpen] = useState(false);
  return (
    <li>
      <Group gap={6}>
        <Text size="sm" className="break">
          <time dateTime={one.at}>{new Date(one.at).toLocaleTimeString(t.locale)}</time> {one.service} → {one.peer}: {t.traffic.outcomes[one.outcome]}
        </Text>
        <LaneBadge tag={one.tag} />
        <Button
          size="compact-xs"
          variant="default"
          aria-expanded={isOpen}
          aria-label={t.traffic.explainOf(one.peer, one.tag ?? t.base)}
          onClick={() => setOpen(!isOpen)}
        >
          {t.traffic.explain}
        </Button>
      </Group>
      {isOpen && <HopOf service={one.peer} tag={one.tag} />}
    </li>
  );
}

function edgeKey({ from, to, tag }: Edge): string {
  return `${nodeKey(from)} ${nodeKey(to)} ${tag ?? ''}`;
}

function sum(counted: ReadonlyArray<{ readonly count: number; readonly errors: number }>, what: 'count' | 'errors'): number {
  return counted.reduce((all, one) => all + one[what], 0);
}
