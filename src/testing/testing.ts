// The entry point `umbel/testing`, for tests of applications and for authors of drivers.
export { type BackendHarness, backendConformance } from './backend-suite.ts';
export type { ConformanceCase } from './conformance.ts';
export { type DrainOptions, drain } from './drain.ts';
export { FakeClock } from './fake-clock.ts';
export { type TransportHarness, transportConformance } from './transport-suite.ts';
