//! Tests of the library, one module for each subject.

mod import;
