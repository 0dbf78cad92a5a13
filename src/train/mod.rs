//! Training: one replicate per worker thread, steered by commands, told by events, seen on the board.

pub mod board;
pub mod events;
