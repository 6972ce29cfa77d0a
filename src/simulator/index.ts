/**
 * The door of the simulated provider: what other parts of the program may use of it.
 * It is the far side of the wire, so it shares no code with the gateway's own dialects.
 */
export { ORDERS as SIMULATOR_ORDERS } from "./directives.ts";
export type { JournalEntry } from "./journal.ts";
export type { Usage as SimulatedUsage } from "./plan.ts";
export { type SimulatorServer, serveSimulator } from "./server.ts";
export { createSimulator, type Simulator, type SimulatorOptions } from "./simulator.ts";
