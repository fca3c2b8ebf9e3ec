//! What is due: examples and properties of the guard.

mod examples;
mod lasting;
mod properties;
