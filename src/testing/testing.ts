// The door `umbel/testing`: for authors of drivers, and for tests that move time.
export { type BackendHarness, backendConformance } from './backend-suite.ts';
export type { ConformanceCase } from './conformance.ts';
export { FakeClock } from './fake-clock.ts';
export { type TransportHarness, transportConformance } from './transport-suite.ts';
