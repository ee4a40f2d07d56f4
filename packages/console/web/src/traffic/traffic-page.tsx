import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay, IconTopologyStar3 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { trafficQuery, type Traffic } from '../api/queries.js';
import { useText } from '../language/index.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { TrafficGraph } from './traffic-graph.js';

const SHOWN_DECISIONS = 50;

/** Who calls whom, now: a graph, a table with the same figures, and the latest decisions. */
export function TrafficPage() {
  const t = useText();
  const [isPaused, setPaused] = useState(false);
  const { data, error, refetch } = useQuery({
    ...trafficQuery,
    ...(isPaused ? { refetchInterval: false as const, refetchOnWindowFocus: false } : {}),
  });
  return (
    <>
      <PageHead title={t.traffic.title} lead={t.traffic.lead}>
        <Group gap="xs">
          <span className="pulse" data-paused={isPaused || undefined} aria-hidden />
          <Text size="sm" c="dimmed">
            {isPaused ? t.traffic.paused : t.traffic.live}
          </Text>
        </Group>
        <Button
          variant="default"
          onClick={() => setPaused(!isPaused)}
          leftSection={isPaused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
        >
          {isPaused ? t.traffic.goOn : t.traffic.pause}
        </Button>
      </PageHead>
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {data !== undefined &&
        (data.sources.answered === 0 && data.nodes.length === 0 ? <NoTraffic sources={data.sources} /> : <Figures traffic={data} />)}
    </>
  );
}

function NoTraffic({ sources }: { readonly sources: Traffic['sources'] }) {
  const t = useText();
  return (
    <Stack className="card" align="center" p="xl" py={64} gap="sm" ta="center">
      <IconTopologyStar3 size={48} stroke={1.3} aria-hidden color="var(--mantine-color-dimmed)" />
      <Title order={2}>{t.traffic.none}</Title>
      <Text c="dimmed">{t.traffic.noneLead}</Text>
      <Text size="sm" c="dimmed">
        <NotRead sources={sources} />
      </Text>
    </Stack>
  );
}

/** Instances whose figures are not among those shown, and why. */
function NotRead({ sources }: { readonly sources: Traffic['sources'] }) {
  const t = useText();
  const { problems, tooLarge, leftOut, elsewhere, silent } = sources;
  const unanswered = problems.filter(({ problem }) => problem !== 'not read: too large').length;
  return (
    <>
      {unanswered > 0 && <span style={{ color: 'var(--bad)' }}> · {t.traffic.problems(unanswered)}</span>}
      {tooLarge > 0 && <span style={{ color: 'var(--bad)' }}> · {t.traffic.tooLarge(tooLarge)}</span>}
      {leftOut > 0 && ` · ${t.traffic.leftOut(leftOut)}`}
      {elsewhere > 0 && ` · ${t.traffic.elsewhere(elsewhere)}`}
      {silent > elsewhere && ` · ${t.traffic.silent(silent - elsewhere)}`}
    </>
  );
}

function Figures({ traffic }: { readonly traffic: Traffic }) {
  const t = useText();
  const { sources } = traffic;
  return (
    <Stack gap="lg">
      <section className="card" style={{ padding: '1rem' }} aria-labelledby="graph">
        <Group justify="space-between" mb="sm">
          <Title order={2} id="graph">
            {t.traffic.graph}
          </Title>
          <Text size="sm" c="dimmed">
            {t.traffic.answered(sources.answered)}
            <NotRead sources={sources} />
          </Text>
        </Group>
        <TrafficGraph traffic={traffic} />
      </section>
      <Calls edges={traffic.edges} />
      <Decisions decisions={traffic.decisions} />
    </Stack>
  );
}

function Calls({ edges }: { readonly edges: Traffic['edges'] }) {
  const t = useText();
  const sorted = [...edges].sort((a, b) => sortKey(a).localeCompare(sortKey(b)));
  return (
    <section className="card" aria-labelledby="calls">
      <Title order={2} id="calls" p="1rem 1.1rem 0.6rem">
        {t.traffic.calls}
      </Title>
      <div className="scroll" tabIndex={0} role="region" aria-labelledby="calls">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t.traffic.from}</th>
              <th scope="col">{t.traffic.to}</th>
              <th scope="col">{t.traffic.requestTag}</th>
              <th scope="col">{t.traffic.route}</th>
              <th scope="col" className="number">
                {t.traffic.count}
              </th>
              <th scope="col" className="number">
                {t.traffic.rate}
              </th>
              <th scope="col" className="number">
                {t.traffic.errors}
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map((edge) => (
              <tr key={sortKey(edge)}>
                <th scope="row" style={{ whiteSpace: 'nowrap' }}>
                  {edge.from.service} <LaneBadge tag={edge.from.tag} />
                </th>
                <td style={{ whiteSpace: 'nowrap' }}>
                  {edge.to.service} <LaneBadge tag={edge.to.tag} />
                </td>
                <td>
                  <LaneBadge tag={edge.tag} />
                </td>
                <td style={edge.route === 'fallback' ? { color: 'var(--warn)' } : {}}>{t.traffic.routes[edge.route]}</td>
                <td className="number">{edge.count.toLocaleString(t.locale)}</td>
                <td className="number">
                  {edge.perSecond === undefined ? '–' : edge.perSecond.toLocaleString(t.locale, { maximumFractionDigits: 1 })}
                </td>
                <td className={edge.errors > 0 ? 'number bad' : 'number'}>{edge.errors.toLocaleString(t.locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function sortKey({ from, to, tag, route }: Traffic['edges'][number]): string {
  return JSON.stringify([from.service, from.tag ?? '', to.service, to.tag ?? '', tag ?? '', route]);
}

function Decisions({ decisions }: { readonly decisions: Traffic['decisions'] }) {
  const t = useText();
  return (
    <section className="card" aria-labelledby="decisions">
      <Title order={2} id="decisions" p="1rem 1.1rem 0.6rem">
        {t.traffic.decisions}
      </Title>
      {decisions.length === 0 && (
        <Text px="1.1rem" pb="md" c="dimmed">
          {t.traffic.noDecisions}
        </Text>
      )}
      {decisions.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-labelledby="decisions" style={{ maxHeight: 460, overflowY: 'auto' }}>
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t.traffic.at}</th>
                <th scope="col">{t.traffic.caller}</th>
                <th scope="col">{t.traffic.callee}</th>
                <th scope="col">{t.traffic.requestTag}</th>
                <th scope="col">{t.traffic.outcome}</th>
                <th scope="col">{t.traffic.instance}</th>
              </tr>
            </thead>
            <tbody>
              {decisions.slice(0, SHOWN_DECISIONS).map((one, i) => (
                <tr key={`${one.at} ${i}`}>
                  <td style={{ whiteSpace: 'nowrap' }}>
                    <time dateTime={one.at}>{new Date(one.at).toLocaleTimeString(t.locale)}</time>
                  </td>
                  <td style={{ whiteSpace: 'nowrap' }}>
                    {one.service} <LaneBadge tag={one.serviceTag} />
                  </td>
                  <td>{one.peer}</td>
                  <td>
                    <LaneBadge tag={one.tag} />
                  </td>
                  <td>{t.traffic.outcomes[one.outcome]}</td>
                  <td className="mono">{one.instance ?? '–'}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
