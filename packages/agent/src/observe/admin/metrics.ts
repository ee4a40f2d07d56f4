/** `GET /metrics`. */
import { DURATION_BOUNDS_SECONDS, type StatusReport } from '@lane/core/agent';
import type { Tag } from '@lane/core/model';
import type { TrafficRecorder } from '../traffic/recorder.js';
import { PrometheusText } from './prometheus-text.js';

/** Untagged requests, in labels: an empty label equals a missing one. */
const BASE = 'base';

/** All metrics in Prometheus' text format. */
export function metricsText(status: StatusReport, { counters, inFlight }: TrafficRecorder): string {
  const text = new PrometheusText({ service: status.service });
  const laneOf = (tag: Tag | null): string => tag ?? BASE;

  text.metric('lane_info', 'gauge', 'Always 1: version of the agent and of Node, and the lane of this instance.');
  text.sample('lane_info', { version: status.version, node: status.node, instance_tag: laneOf(status.tag) }, 1);
  text.metric('lane_uptime_seconds', 'gauge', 'Seconds since this process started.');
  text.sample('lane_uptime_seconds', {}, status.uptimeSeconds);

  text.metric('lane_requests_total', 'counter', 'Requests that have ended, by tag and by where the tag came from.');
  for (const { tag, source, count } of counters.requestFigures()) text.sample('lane_requests_total', { tag: laneOf(tag), source }, count);
  text.metric('lane_request_errors_total', 'counter', 'Requests answered with a 5xx, or not at all.');
  for (const { tag, source, errors } of counters.requestFigures()) text.sample('lane_request_errors_total', { tag: laneOf(tag), source }, errors);
  text.metric('lane_request_duration_seconds', 'histogram', 'How long requests took.');
  for (const { tag, count, sumSeconds, buckets } of counters.durationFigures()) {
    DURATION_BOUNDS_SECONDS.forEach((bound, at) =>
      text.sample('lane_request_duration_seconds_bucket', { tag: laneOf(tag), le: String(bound) }, buckets[at] as number),
    );
    text.sample('lane_request_duration_seconds_bucket', { tag: laneOf(tag), le: '+Inf' }, count);
    text.sample('lane_request_duration_seconds_sum', { tag: laneOf(tag) }, sumSeconds);
    text.sample('lane_request_duration_seconds_count', { tag: laneOf(tag) }, count);
  }
  text.metric('lane_requests_in_flight', 'gauge', 'Requests in flight.');
  text.sample('lane_requests_in_flight', {}, inFlight);

  text.metric('lane_calls_total', 'counter', 'Calls made, by peer, tag and route.');
  for (const { peer, tag, route, count } of counters.callFigures()) text.sample('lane_calls_total', { peer, tag: laneOf(tag), route }, count);
  text.metric('lane_call_errors_total', 'counter', 'Calls that got no answer, or a 5xx.');
  for (const { peer, tag, route, errors } of counters.callFigures()) text.sample('lane_call_errors_total', { peer, tag: laneOf(tag), route }, errors);

  text.metric('lane_overflow_total', 'counter', 'Requests and calls counted as (other) because there were too many tags or peers.');
  text.sample('lane_overflow_total', { kind: 'requests' }, counters.overflow.requests);
  text.sample('lane_overflow_total', { kind: 'calls' }, counters.overflow.calls);
  text.metric('lane_malformed_tags_total', 'counter', 'Malformed tags in requests, which were ignored.');
  text.sample('lane_malformed_tags_total', {}, status.tags.malformed);
  text.metric('lane_disagreeing_tags_total', 'counter', 'Requests in which two formats had different tags; the first counted.');
  text.sample('lane_disagreeing_tags_total', {}, status.tags.disagreeing);

  text.metric('lane_draining', 'gauge', '1 from the start of a drain on, else 0.');
  text.sample('lane_draining', {}, status.ready ? 0 : 1);
  text.metric('lane_groups', 'gauge', 'Lane groups in force.');
  text.sample('lane_groups', {}, status.laneGroups.groups);
  text.metric('lane_groups_problems', 'gauge', 'Problems of the newest lane-group document; above 0 it was refused.');
  text.sample('lane_groups_problems', {}, status.laneGroups.problems.length);
  if (status.registry !== null) {
    text.metric('lane_registry_reachable', 'gauge', '1 while the registry answers the agent, else 0.');
    text.sample('lane_registry_reachable', {}, status.registry.reachable ? 1 : 0);
  }
  text.metric('lane_instances_in_use', 'gauge', 'Instances that calls to a peer may go to, whatever their lane.');
  for (const { service: peer, instances } of status.services)
    text.sample('lane_instances_in_use', { peer }, instances.filter(({ usable }) => usable).length);
  text.metric('lane_instances_in_doubt', 'gauge', 'Of those: instances that the registry no longer lists but may have lost.');
  for (const { service: peer, instances } of status.services)
    text.sample('lane_instances_in_doubt', { peer }, instances.filter(({ doubt, usable }) => doubt !== null && usable).length);
  text.metric('lane_instances_left_alone', 'gauge', 'Instances that get no calls for a while because they refused connections.');
  for (const { service: peer, instances } of status.services)
    text.sample('lane_instances_left_alone', { peer }, instances.filter(({ leftAloneSeconds }) => leftAloneSeconds !== null).length);
  text.metric('lane_instances_ejected', 'gauge', 'Instances that get no calls for a while because they answered server errors.');
  for (const { service: peer, instances } of status.services)
    text.sample('lane_instances_ejected', { peer }, instances.filter(({ ejectedSeconds }) => typeof ejectedSeconds === 'number').length);
  text.metric('lane_instrumentation_failures_total', 'counter', 'Bugs in the agent that were caught, by instrumentation.');
  for (const { name, failures, state } of status.instrumentations) {
    if (state === 'on' || failures > 0) text.sample('lane_instrumentation_failures_total', { instrumentation: name }, failures);
  }
  return text.toString();
}
