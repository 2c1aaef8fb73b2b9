//! device-sim.
