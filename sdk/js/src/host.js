/** The host's interfaces, in a component. What is not used is left out of the component, and then not asked for. See `platform.js`. */

export * as answer from 'pacificsoft:plugin/answer@0.1.0';
export * as clock from 'pacificsoft:plugin/clock@0.1.0';
export * as logging from 'pacificsoft:plugin/log@0.1.0';
export * as message from 'pacificsoft:plugin/message@0.1.0';
export * as readings from 'pacificsoft:plugin/readings@0.1.0';
export * as state from 'pacificsoft:plugin/state@0.1.0';
export * as timers from 'pacificsoft:plugin/timers@0.1.0';
