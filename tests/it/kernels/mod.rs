//! The only unsafe code of the tests.

pub mod counting;
