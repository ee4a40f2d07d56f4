import type { GroupStatus, LaneCell } from '@lane/core/model';
import { IconCornerDownLeft, IconLogin2, IconX } from '@tabler/icons-react';
import { useText } from '../language/index.js';
import { LaneBadge } from '../parts/lane-badge.js';

/** Services × lanes: how many healthy instances, and what serves where there is none. */
export function Matrix({ status }: { readonly status: GroupStatus }) {
  const t = useText();
  return (
    <div className="scroll" role="region" aria-labelledby="matrix" tabIndex={0}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">{t.group.service}</th>
            <th scope="col">
              <LaneBadge tag={undefined} />
            </th>
            {status.lanes.map(({ lane, tag, enabled }) => (
              <th key={lane} scope="col">
                <LaneBadge tag={tag} name={lane} off={!enabled} />
                {!enabled && <span style={{ marginInlineStart: '0.5rem', fontWeight: 400 }}>{t.group.laneOff}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {status.services.map(({ service, isEntry, base, lanes }) => (
            <tr key={service}>
              <th scope="row" style={{ whiteSpace: 'nowrap' }}>
                {service}
                {isEntry && (
                  <span style={{ color: 'var(--mantine-color-dimmed)', fontWeight: 400, marginInlineStart: '0.6rem', fontSize: '0.85rem' }}>
                    <IconLogin2 size={15} aria-hidden style={{ verticalAlign: '-2px' }} /> {t.group.entry}
                  </span>
                )}
              </th>
              <td>
                <Count usable={base.usable} total={base.total} />
              </td>
              {lanes.map((cell) => (
                <td key={cell.lane}>
                  <Cell cell={cell} isOff={status.lanes.some(({ lane, enabled }) => lane === cell.lane && !enabled)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
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

/** A dot for each instance, filled where it is healthy, as long as they can be counted at a glance. */
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
