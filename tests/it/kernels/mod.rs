//! The only unsafe code of the tests.

pub mod counting;
#[cfg(feature = "cuda")]
pub mod standin;
