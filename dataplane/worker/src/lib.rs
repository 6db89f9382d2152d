//! One core's packet pipeline, the slow thread, and the start of the data-plane process.
