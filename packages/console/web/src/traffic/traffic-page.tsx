import { Button, Checkbox, Group, Select, Slider, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconHistory, IconPlayerPause, IconPlayerPlay, IconTopologyStar3 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { trafficQuery, type Traffic } from '../api/queries.js';
import { useText } from '../language/index.js';
import { Failure } from '../parts/failure.js';
import { LaneBadge, LaneColors } from '../parts/lane-badge.js';
import { PageHead } from '../parts/page-head.js';
import { filterTraffic, tagsOf, type TrafficFilter } from './filter.js';
import { SidePanel } from './side-panel.js';
import { TrafficGraph, type Chosen } from './traffic-graph.js';

const SHOWN_DECISIONS = 50;
/** Limit of calls in the table; filters show the others. */
const SHOWN_CALLS = 200;
const WINDOWS = [60, 300, 900, 3_600] as const;
/** The window of a replayed moment, if none is chosen. */
const REPLAYED_SECONDS = 60;
const PLAYED_MS = 700;

const route = getRouteApi('/traffic');

/** Live traffic: a graph, a table with the same figures, and the latest decisions. */
export function TrafficPage() {
  const t = useText();
  const [isPaused, setPaused] = useState(false);
  const [seconds, setSeconds] = useState<number>();
  /** The replayed moment of the last hour; undefined: live. */
  const [until, setUntil] = useState<string>();
  /** The slider's range, fixed when the replay starts: it must not move under the finger. */
  const [recorded, setRecorded] = useState<Traffic['recorded']>();
  const { data, error, refetch } = useQuery({
    ...trafficQuery(until === undefined ? seconds : (seconds ?? REPLAYED_SECONDS), until),
    ...(isPaused && until === undefined ? { refetchInterval: false as const, refetchOnWindowFocus: false } : {}),
  });
  return (
    <>
      <PageHead title={t.traffic.title} lead={t.traffic.lead}>
        <Group gap="xs">
          <span className="pulse" data-paused={isPaused || until !== undefined || data === undefined || undefined} aria-hidden />
          <Text size="sm" c="dimmed">
            {until !== undefined ? t.traffic.replayed : isPaused ? t.traffic.paused : data === undefined ? t.loading : t.traffic.live}
          </Text>
        </Group>
        <Button
          variant="default"
          disabled={until !== undefined}
          onClick={() => setPaused(!isPaused)}
          leftSection={isPaused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />}
        >
          {isPaused ? t.traffic.goOn : t.traffic.pause}
        </Button>
        {until === undefined ? (
          <Button
            variant="default"
            leftSection={<IconHistory size={16} aria-hidden />}
            disabled={data?.recorded === undefined}
            onClick={() => {
              setRecorded(data?.recorded);
              setUntil(data?.recorded?.to);
            }}
          >
            {t.traffic.replay}
          </Button>
        ) : (
          <Button onClick={() => setUntil(undefined)}>{t.traffic.backToNow}</Button>
        )}
      </PageHead>
      {until !== undefined && recorded !== undefined && <Replay recorded={recorded} until={until} onChange={setUntil} />}
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {data !== undefined &&
        (data.sources.answered === 0 && data.nodes.length === 0 ? (
          <NoTraffic sources={data.sources} />
        ) : (
          <LaneColors tags={tagsOf(data)}>
            <Figures traffic={data} seconds={seconds} onSeconds={setSeconds} />
          </LaneColors>
        ))}
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

/** Instances without figures, and why. */
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

interface FiguresProps {
  readonly traffic: Traffic;
  readonly seconds: number | undefined;
  onSeconds(seconds: number | undefined): void;
}

function Figures({ traffic, seconds, onSeconds }: FiguresProps) {
  const t = useText();
  const { sources } = traffic;
  const { service = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const [filter, setFilter] = useState<Omit<TrafficFilter, 'service'>>({ lane: undefined, onlyErrors: false });
  const shown = useMemo(() => filterTraffic(traffic, { ...filter, service }), [traffic, filter, service]);
  const [chosen, setChosen] = useState<Chosen>();
  const close = useCallback(() => setChosen(undefined), []);
  const tags = tagsOf(traffic);
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
        <Group gap="sm" mb="sm" role="search" align="flex-end">
          <TextInput
            type="search"
            label={t.traffic.service}
            value={service}
            onChange={(event) =>
              void navigate({ search: event.currentTarget.value === '' ? {} : { service: event.currentTarget.value }, replace: true })
            }
            autoComplete="off"
            style={{ flex: '1 1 10rem', maxWidth: 280 }}
          />
          <Select
            label={t.traffic.lane}
            data={[
              { value: ALL, label: t.traffic.allLanes },
              { value: BASE, label: t.base },
              ...tags.map((tag) => ({ value: `=${tag}`, label: tag })),
            ]}
            value={filter.lane === undefined ? ALL : filter.lane === '' ? BASE : `=${filter.lane}`}
            onChange={(value) => setFilter({ ...filter, lane: value === null || value === ALL ? undefined : value === BASE ? '' : value.slice(1) })}
            allowDeselect={false}
          />
          <Select
            label={t.traffic.window}
            data={[
              { value: ALL, label: t.traffic.sinceStart },
              ...WINDOWS.map((one) => ({ value: String(one), label: t.traffic.lastMinutes(one / 60) })),
            ]}
            value={seconds === undefined ? ALL : String(seconds)}
            onChange={(value) => onSeconds(value === null || value === ALL ? undefined : Number(value))}
            allowDeselect={false}
          />
          <Checkbox
            label={t.traffic.onlyErrors}
            checked={filter.onlyErrors}
            onChange={(event) => setFilter({ ...filter, onlyErrors: event.currentTarget.checked })}
            mb={9}
          />
        </Group>
        <div className="graph-and-panel" data-open={chosen !== undefined || undefined}>
          <div style={{ minWidth: 0 }}>
            {shown.nodes.length === 0 ? (
              <Text p="md">{t.traffic.noneShown}</Text>
            ) : (
              <TrafficGraph traffic={shown} chosen={chosen} onChoose={setChosen} />
            )}
          </div>
          {chosen !== undefined && <SidePanel key={chosen.key} chosen={chosen} traffic={traffic} onChoose={setChosen} onClose={close} />}
        </div>
      </section>
      <Calls edges={shown.edges} />
      <Decisions decisions={shown.decisions} />
    </Stack>
  );
}

const ALL = 'all';
const BASE = 'base';

/** Replays the last hour, by slider or automatically. */
function Replay({
  recorded,
  until,
  onChange,
}: {
  readonly recorded: NonNullable<Traffic['recorded']>;
  readonly until: string;
  onChange(until: string): void;
}) {
  const t = useText();
  const [isPlaying, setPlaying] = useState(false);
  const [from, to, stepMs] = [Date.parse(recorded.from), Date.parse(recorded.to), recorded.stepSeconds * 1_000];
  const steps = Math.max(1, Math.ceil((to - from) / stepMs));
  const step = Math.min(steps, Math.max(0, Math.round((Date.parse(until) - from) / stepMs)));
  const goTo = useCallback((next: number) => onChange(new Date(Math.min(to, from + next * stepMs)).toISOString()), [onChange, from, to, stepMs]);
  useEffect(() => {
    if (!isPlaying) return;
    if (step >= steps) {
      setPlaying(false);
      return;
    }
    const timer = setTimeout(() => goTo(step + 1), PLAYED_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, step, steps, goTo]);
  const time = new Date(until).toLocaleTimeString(t.locale);
  return (
    <Group className="card" p="sm" mb="md" gap="md" wrap="nowrap" role="group" aria-label={t.traffic.replay}>
      <Button
        variant="default"
        size="compact-md"
        onClick={() => {
          if (!isPlaying && step >= steps) goTo(0);
          setPlaying(!isPlaying);
        }}
      >
        {isPlaying ? t.traffic.pause : t.traffic.play}
      </Button>
      <Slider
        style={{ flex: 1 }}
        min={0}
        max={steps}
        value={step}
        onChange={goTo}
        label={null}
        thumbLabel={t.traffic.replayTime}
        thumbProps={{ 'aria-valuetext': time }}
      />
      <Text size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
        <time dateTime={until}>{time}</time>
      </Text>
    </Group>
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
              <th scope="col" className="number">
                {t.traffic.p95Head}
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, SHOWN_CALLS).map((edge) => (
              <tr key={sortKey(edge)}>
                <th scope="row" style={{ whiteSpace: 'nowrap' }}>
                  {edge.from.service} <LaneBadge tag={edge.from.tag} />
                </th>
                <td style={{ whiteSpace: 'nowrap' }}>
                  {edge.to.service} <LaneBadge tag={edge.to.tag} />
                </td>
                <td style={{ whiteSpace: 'nowrap' }}>
                  <LaneBadge tag={edge.tag} />
                </td>
                <td style={{ whiteSpace: 'nowrap', ...(edge.route === 'fallback' ? { color: 'var(--warn)' } : {}) }}>
                  {t.traffic.routes[edge.route]}
                </td>
                <td className="number">{edge.count.toLocaleString(t.locale)}</td>
                <td className="number">
                  {edge.perSecond === undefined ? '–' : edge.perSecond.toLocaleString(t.locale, { maximumFractionDigits: 1 })}
                </td>
                <td className={edge.errors > 0 ? 'number bad' : 'number'}>{edge.errors.toLocaleString(t.locale)}</td>
                <td className="number">{edge.p95Ms === undefined ? '–' : t.traffic.ms(edge.p95Ms.toLocaleString(t.locale))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {sorted.length > SHOWN_CALLS && (
        <Text size="sm" c="dimmed" p="sm">
          {t.more(sorted.length - SHOWN_CALLS)}
        </Text>
      )}
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
