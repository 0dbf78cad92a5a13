//! The study folder: what a crash, a second machine or another program sees.

pub mod atomic;
pub mod examples;
pub mod folder;
pub mod jsonl;
pub mod lock;
pub mod npy;
pub mod observations;
pub mod record;
pub mod replicate;
pub mod tensors;
