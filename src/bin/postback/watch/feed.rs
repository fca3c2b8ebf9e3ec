//! What the pages are told: what was seen lately, and whatever comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

/// So many requests are remembered.
const KEPT: usize = 500;

/// One request, numbered, as JSON.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) number: u64,
    pub(super) json: Arc<str>,
}

pub(super) struct Feed {
    kept: Mutex<VecDeque<Item>>,
    live: broadcast::Sender<Item>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            live: broadcast::Sender::new(KEPT),
        }
    }

    /// Numbers an item by its place and hands it to every page.
    pub(super) fn push(&self, make: impl FnOnce(u64) -> String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.back().map_or(1, |item| item.number + 1);
        let item = Item {
            number,
            json: make(number).into(),
        };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(item.clone());
        // Nobody may be watching.
        let _ = self.live.send(item);
    }

    /// What is remembered after a number, and what comes from then on, without a gap between.
    pub(super) fn after(&self, number: u64) -> (Vec<Item>, broadcast::Receiver<Item>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().filter(|item| item.number > number).cloned();
        (known.collect(), self.live.subscribe())
    }
}
