//! Receive ad-network callbacks: verified, typed, and paid exactly once.

pub mod clock;
pub mod decision;
pub mod delivery;
pub mod event;
pub mod guard;
pub mod handler;
pub mod receiver;
pub mod source;
pub mod steps;
pub mod store;
pub mod wire;
pub mod web;
