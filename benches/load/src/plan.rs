//! What is measured.

use serde::{Deserialize, Serialize};

use crate::load::{GENUINE_ONE_IN, Load};
use crate::peers::ServerName;

/// How many connections there are unless said otherwise.
pub const CONNECTIONS: usize = 64;
/// How many there are if as many send genuine callbacks as without a flood, and nine times as many forge.
#[expect(clippy::cast_possible_truncation, reason = "it is ten")]
pub const FLOODED: usize = CONNECTIONS * GENUINE_ONE_IN as usize;

/// A group of cases, for one table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Table {
    /// Every server under unique, genuine callbacks.
    Compare,
    /// The client beside wrk.
    Client,
    /// Duplicates, forged callbacks, and mostly forged ones.
    Floods,
    /// The same with fewer and with more connections.
    Connections,
}

/// One thing to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    pub table: Table,
    pub server: ServerName,
    pub load: Load,
    pub connections: usize,
}

impl Case {
    /// How often it is measured when the servers are compared so often: the other tables are made of many
    /// cases and need fewer rounds to tell.
    pub fn rounds(self, compared: usize) -> usize {
        match self.table {
            Table::Compare | Table::Floods => compared,
            Table::Client | Table::Connections => (compared * 2 / 5).max(1),
        }
    }

    pub fn name(self) -> String {
        format!(
            "{}/{}/{}",
            self.server.name(),
            self.load.name(),
            self.connections
        )
    }

    /// Whether `--only` means it: the table's name, the server's, or the beginning of the case's.
    pub fn is_meant_by(self, only: &str) -> bool {
        let table = format!("{:?}", self.table).to_lowercase();
        let name = self.name();
        table == only
            || name == only
            || name
                .strip_prefix(only)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

/// All cases.
pub fn all() -> Vec<Case> {
    let case = |table, server, load, connections| Case {
        table,
        server,
        load,
        connections,
    };
    let compare =
        ServerName::ALL.map(|server| case(Table::Compare, server, Load::Unique, CONNECTIONS));
    let client = [case(
        Table::Client,
        ServerName::AxumHello,
        Load::Wrk,
        CONNECTIONS,
    )];
    let ours = [ServerName::AxumMemory, ServerName::AxumSqlite];
    let floods = ours.into_iter().flat_map(|server| {
        // First deliveries once more: what floods leave of them is a small difference, and the machine changes its pace.
        [
            (Load::Unique, CONNECTIONS),
            (Load::Duplicates, CONNECTIONS),
            (Load::Forged, CONNECTIONS),
            (Load::Mixed, CONNECTIONS),
            (Load::Flooded, FLOODED),
        ]
        .map(|(load, connections)| case(Table::Floods, server, load, connections))
    });
    let connections = [
        ServerName::AxumHello,
        ServerName::AxumMemory,
        ServerName::AxumSqlite,
    ]
    .into_iter()
    .flat_map(|server| {
        [1, 8, 256, 1024]
            .map(|connections| case(Table::Connections, server, Load::Unique, connections))
    });
    compare
        .into_iter()
        .chain(client)
        .chain(floods)
        .chain(connections)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_means_a_table_a_server_or_a_case() {
        let meant = |only: &str| {
            all()
                .into_iter()
                .filter(|case| case.is_meant_by(only))
                .count()
        };
        assert_eq!(meant("compare"), ServerName::ALL.len());
        assert_eq!(meant("axum-memory"), 1 + 5 + 4);
        assert_eq!(meant("axum-memory/forged"), 1);
        assert_eq!(meant("axum"), 0);
    }
}
