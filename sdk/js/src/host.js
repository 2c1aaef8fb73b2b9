/** The host's interfaces, in a component. What is not used is left out of the component, and then not asked for. See `platform.js`. */

export * as alarms from 'pacificsoft:plugin/alarms@0.1.0';
export * as answer from 'pacificsoft:plugin/answer@0.1.0';
export * as clock from 'pacificsoft:plugin/clock@0.1.0';
export * as credentials from 'pacificsoft:plugin/credentials@0.1.0';
export * as customers from 'pacificsoft:plugin/customers@0.1.0';
export * as entities from 'pacificsoft:plugin/entities@0.1.0';
export * as history from 'pacificsoft:plugin/history@0.1.0';
export * as logging from 'pacificsoft:plugin/log@0.1.0';
export * as message from 'pacificsoft:plugin/message@0.1.0';
export * as metrics from 'pacificsoft:plugin/metrics@0.1.0';
export * as readings from 'pacificsoft:plugin/readings@0.1.0';
export * as relations from 'pacificsoft:plugin/relations@0.1.0';
export * as state from 'pacificsoft:plugin/state@0.1.0';
export * as timers from 'pacificsoft:plugin/timers@0.1.0';
