import { Group, Text } from '@mantine/core';
import type { ExplainedInstance } from '@lane/core/model';
import type { HopAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { LaneBadge } from '../parts/lane-badge.js';

type ConsoleHop = HopAnswer['hop'];

/** Which instances of a service serve a request, and why. */
export function Hop({ hop }: { readonly hop: ConsoleHop }) {
  const t = useText();
  const words = new Map(hop.agents.map((one) => [one.address, one]));
  return (
    <div className="card" style={{ padding: '0.9rem 1.1rem' }}>
      <Group gap="sm" mb="xs">
        <Text fw={650} className="break">
          {hop.service}
        </Text>
        <Text size="sm" c={hop.reason === 'none' ? 'var(--bad)' : hop.reason === 'fell-back-to-base' ? 'var(--warn)' : 'dimmed'}>
          {t.explain.reasons[hop.reason] ?? hop.reason}
        </Text>
      </Group>
      {hop.instances.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.explain.noInstances}
        </Text>
      )}
      <ul
        style={{
          listStyle: 'none',
          margin: 0,
          padding: 0,
          display: 'grid',
          gap: 6,
          gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 19rem), 1fr))',
        }}
      >
        {hop.instances.map((one) => (
          <InstanceLine key={`${one.instance.ip}:${one.instance.port}`} one={one} word={words.get(`${one.instance.ip}:${one.instance.port}`)} />
        ))}
      </ul>
    </div>
  );
}

function InstanceLine({ one, word }: { readonly one: ExplainedInstance; readonly word: ConsoleHop['agents'][number] | undefined }) {
  const t = useText();
  const serves = one.role === 'serves';
  return (
    <li style={{ display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'center', fontSize: '0.88rem' }}>
      <span aria-hidden style={{ color: serves ? 'var(--ok)' : 'var(--mantine-color-dimmed)' }}>
        {serves ? '●' : '○'}
      </span>
      <span className="mono" style={serves ? {} : { color: 'var(--mantine-color-dimmed)' }}>
        {one.instance.ip}:{one.instance.port}
      </span>
      <LaneBadge tag={one.tag} off={!serves} />
      <span style={{ color: 'var(--mantine-color-dimmed)' }}>
        {serves
          ? t.explain.percent((one.share * 100).toLocaleString(t.locale, { maximumFractionDigits: 1 }))
          : (t.explain.instanceRoles[one.role] ?? one.role)}
      </span>
      {word !== undefined && (
        <span style={{ color: 'var(--warn)' }}>
          {[
            ...(word.ejectedBy > 0 ? [t.explain.ejectedBy(word.ejectedBy, word.agents)] : []),
            ...(word.leftAloneBy > 0 ? [t.explain.leftAloneBy(word.leftAloneBy, word.agents)] : []),
            ...(word.doubtedBy > 0 ? [t.explain.doubtedBy(word.doubtedBy, word.agents)] : []),
          ].join(' · ')}
        </span>
      )}
    </li>
  );
}
