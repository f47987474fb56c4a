// The door `umbel/events`.
export type { WireEvent } from '../protocol/event.ts';
export {
  ClusterState,
  type ClusterStateOptions,
  type EventState,
  type TaskFilter,
  type TaskState,
  type WorkerState,
} from './cluster-state.ts';
export { captureEvents, events, type ReceiverOptions, type StreamOptions } from './receiver.ts';
export { sendEvent } from './send-event.ts';
