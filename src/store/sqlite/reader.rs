//! The reader: sees what is committed and never waits for the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use crate::sync::mpsc::Receiver;

/// One thing to read; it tells its caller itself.
pub(super) type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// Serves the queue until it is closed and empty.
pub(super) fn serve(connection: &Connection, queue: &Receiver<Reading>) {
    while let Ok(reading) = queue.recv() {
        // Should it panic, its caller finds his reply gone; the others are served.
        let _ = catch_unwind(AssertUnwindSafe(|| reading(connection)));
        // A transaction left open would show the same old state to everybody after.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(target: "postback::store", %error, "SQLite could not end a read");
        }
    }
}
