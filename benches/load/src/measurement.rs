//! One measurement, and many of them in a file with a line each.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::client::Seen;
use crate::plan::Case;

#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    pub case: Case,
    /// What was measured in the same round was measured within some minutes.
    pub round: usize,
    pub seen: Seen,
}

impl Measurement {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        count(self.seen.answers.all()) / self.seen.seconds
    }

    /// Microseconds of the server's CPU time for a request.
    pub fn cpu_micros(&self) -> f64 {
        self.seen.server_cpu * 1e6 / count(self.seen.answers.all())
    }

    /// How much of its core the server used, 0 to 1.
    pub fn server_load(&self) -> f64 {
        self.seen.server_cpu / self.seen.seconds
    }

    /// How much of a core something else on the machine used, 0 to 1 and more.
    pub fn disturbance(&self) -> f64 {
        self.seen.others_cpu / self.seen.seconds
    }

    /// Whether so much that the figures say little.
    pub fn is_disturbed(&self) -> bool {
        self.disturbance() > 0.1
    }

    /// How much of the time the client had something to do, 0 to 1.
    pub fn client_load(&self) -> f64 {
        1.0 - self.seen.client_idle / self.seen.seconds
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests are far below 2^52"
)]
pub fn count(number: u64) -> f64 {
    number as f64
}

pub fn append(file: &Path, measurement: &Measurement) -> Result<(), Box<dyn Error>> {
    let mut line = serde_json::to_string(measurement)?;
    line.push('\n');
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?;
    Ok(file.write_all(line.as_bytes())?)
}

pub fn read(file: &Path) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    text.lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// The middle one; of an even number the mean of the middle two. Nothing of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}
