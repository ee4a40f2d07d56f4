import { Checkbox, Group, Text, TextInput, Tooltip } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import type { GroupStatus, LaneCell, ServiceStatus } from '@lane/core/model';
import { IconCornerDownLeft, IconLogin2, IconSearch, IconX } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';
import { useText } from '../language/index.js';
import { LaneBadge } from '../parts/lane-badge.js';
import { hasInstancesInLanes, hasTrouble } from './trouble.js';

/** Fixed row height, the same as in styles.css, so that only visible rows are rendered. */
const ROW_PX = 58;
/** Rows rendered above and below the visible ones. */
const OVERSCAN = 6;
/** Number of services from which the search is shown. */
const SEARCHED_FROM = 8;
const TYPING_MS = 120;

/** Services × lanes: how many healthy instances, and what serves where there is none. */
export function Matrix({ status }: { readonly status: GroupStatus }) {
  const t = useText();
  const [search, setSearch] = useState('');
  const [onlyWithLane, setOnlyWithLane] = useState(false);
  const [onlyTrouble, setOnlyTrouble] = useState(false);
  const [wanted] = useDebouncedValue(search.trim().toLowerCase(), TYPING_MS);
  const offLanes = useMemo(() => new Set(status.lanes.filter(({ enabled }) => !enabled).map(({ lane }) => lane)), [status]);
  const troubled = useMemo(() => status.services.filter((one) => hasTrouble(one, offLanes)), [status, offLanes]);
  const shown = useMemo(
    () =>
      (onlyTrouble ? troubled : status.services).filter(
        (one) => one.service.toLowerCase().includes(wanted) && (!onlyWithLane || hasInstancesInLanes(one)),
      ),
    [status, troubled, wanted, onlyWithLane, onlyTrouble],
  );
  const isLarge = status.services.length >= SEARCHED_FROM;
  return (
    <>
      {isLarge && (
        <Group className="matrix-filters" gap="md" role="search">
          <TextInput
            type="search"
            aria-label={t.group.search}
            placeholder={t.group.search}
            leftSection={<IconSearch size={16} aria-hidden />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
            autoComplete="off"
            style={{ flex: '1 1 12rem', maxWidth: 320 }}
          />
          <Checkbox label={t.group.onlyWithLane} checked={onlyWithLane} onChange={(event) => setOnlyWithLane(event.currentTarget.checked)} />
          <Checkbox
            label={t.group.onlyTrouble(troubled.length)}
            checked={onlyTrouble}
            onChange={(event) => setOnlyTrouble(event.currentTarget.checked)}
          />
          <Text size="sm" c="dimmed" role="status">
            {t.group.shown(shown.length, status.services.length)}
          </Text>
        </Group>
      )}
      {shown.length === 0 ? <Text p="md">{t.group.noneShown}</Text> : <Rows status={status} shown={shown} offLanes={offLanes} />}
    </>
  );
}

interface RowsProps {
  readonly status: GroupStatus;
  readonly shown: readonly ServiceStatus[];
  readonly offLanes: ReadonlySet<string>;
}

function Rows({ status, shown, offLanes }: RowsProps) {
  const t = useText();
  const region = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => region.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => shown[index]?.service ?? index,
    overscan: OVERSCAN,
    // Rows to render before the region has been measured.
    initialRect: { width: 1_000, height: 700 },
  });
  const inSight = rows.getVirtualItems();
  const above = inSight[0]?.start ?? 0;
  const below = rows.getTotalSize() - (inSight.at(-1)?.end ?? 0);
  const columns = status.lanes.length + 2;
  return (
    <div className="scroll matrix" role="region" aria-labelledby="matrix" tabIndex={0} ref={region}>
      <table className="table" aria-rowcount={shown.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">{t.group.service}</th>
            <th scope="col">
              <LaneBadge tag={undefined} />
            </th>
            {status.lanes.map(({ lane, tag, enabled }) => (
              <th key={lane} scope="col">
                <Tooltip label={lane === tag ? lane : `${lane} (${tag})`} events={ALL_EVENTS} openDelay={300}>
                  <a href={`#lane-${encodeURIComponent(lane)}`} className="cut lane-link">
                    <LaneBadge tag={tag} name={lane} off={!enabled} />
                  </a>
                </Tooltip>
                {!enabled && <span className="lane-off">{t.group.laneOff}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer height={above} columns={columns} />
          {inSight.map(({ index, key }) => {
            const one = shown[index];
            return one === undefined ? null : <Row key={key} one={one} rowIndex={index + 2} offLanes={offLanes} />;
          })}
          <Spacer height={below} columns={columns} />
        </tbody>
      </table>
    </div>
  );
}

/** Tooltips also open by keyboard and touch. */
const ALL_EVENTS = { hover: true, focus: true, touch: true } as const;

/** A placeholder for rows out of view. */
function Spacer({ height, columns }: { readonly height: number; readonly columns: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden className="spacer">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function Row({ one, rowIndex, offLanes }: { readonly one: ServiceStatus; readonly rowIndex: number; readonly offLanes: ReadonlySet<string> }) {
  const t = useText();
  const { service, isEntry, base, lanes } = one;
  return (
    <tr aria-rowindex={rowIndex}>
      <th scope="row">
        <Tooltip label={service} events={ALL_EVENTS} openDelay={300}>
          <Link to="/traffic" search={{ service }} className="cut">
            {service}
          </Link>
        </Tooltip>
        {isEntry && (
          <span className="entry-mark">
            <IconLogin2 size={15} aria-hidden style={{ verticalAlign: '-2px' }} /> {t.group.entry}
          </span>
        )}
      </th>
      <td>
        <Count usable={base.usable} total={base.total} />
      </td>
      {lanes.map((cell) => (
        <td key={cell.lane}>
          <Cell cell={cell} isOff={offLanes.has(cell.lane)} />
        </td>
      ))}
    </tr>
  );
}

function Cell({ cell, isOff }: { readonly cell: LaneCell; readonly isOff: boolean }) {
  const t = useText();
  return (
    <div>
      <Count usable={cell.usable} total={cell.total} isDim={isOff} />
      {!isOff && cell.servedBy === 'base' && (
        <div style={{ color: 'var(--warn)', fontSize: '0.82rem' }}>
          <IconCornerDownLeft size={14} aria-hidden style={{ verticalAlign: '-2px' }} /> {t.group.fallsBack}
        </div>
      )}
      {!isOff && cell.servedBy === 'nothing' && (
        <div style={{ color: 'var(--bad)', fontSize: '0.82rem' }}>
          <IconX size={14} aria-hidden style={{ verticalAlign: '-2px' }} /> {t.group.nothing}
        </div>
      )}
    </div>
  );
}

/** A dot per instance, filled if healthy, as long as they can be counted at a glance. */
function Count({ usable, total, isDim = false }: { readonly usable: number; readonly total: number; readonly isDim?: boolean }) {
  const t = useText();
  if (total === 0) return <span style={{ color: 'var(--mantine-color-dimmed)' }}>{t.group.none}</span>;
  return (
    <span style={{ whiteSpace: 'nowrap', ...(isDim ? { color: 'var(--mantine-color-dimmed)' } : {}) }}>
      {total <= 8 && (
        <span
          aria-hidden
          className="dots"
          style={{ marginInlineEnd: '0.55rem', letterSpacing: '0.12em', color: isDim ? 'inherit' : usable > 0 ? 'var(--ok)' : 'var(--bad)' }}
        >
          {'●'.repeat(usable)}
          {'○'.repeat(total - usable)}
        </span>
      )}
      {t.group.healthy(usable, total)}
    </span>
  );
}
