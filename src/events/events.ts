// The entry point `umbel/events`.
export type { WireEvent } from '../protocol/event.ts';
export {
  ClusterState,
  type ClusterStateOptions,
  type TaskFilter,
  type WorkerState,
} from './cluster-state.ts';
export type { EventState, MonitoredTask as TaskState } from './monitored-task.ts';
export { captureEvents, events, type ReceiverOptions, type StreamOptions } from './receiver.ts';
export { sendEvent } from './send-event.ts';
